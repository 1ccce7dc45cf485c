//! A run as a picture: how far the leeches are, and what the uplinks carry, over virtual time.
//!
//! The same report makes the same bytes. Text is left to whoever shows the picture, so no font is needed.

use std::error::Error;
use std::time::Duration;

use peerit_core::sim::{PeerReport, Report, Role, Sample};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Width and height in pixels, and the height of the upper panel.
const SIZE: (u32, u32) = (960, 640);
const UPPER_HEIGHT: u32 = 350;

/// Colours that the colour blind can tell apart (Okabe and Ito 2008).
const BLUE: RGBColor = RGBColor(0, 114, 178);
const GREEN: RGBColor = RGBColor(0, 158, 115);
const ORANGE: RGBColor = RGBColor(230, 159, 0);
const PURPLE: RGBColor = RGBColor(204, 121, 167);
const INK: RGBColor = RGBColor(70, 70, 70);
const GRID: RGBColor = RGBColor(228, 228, 228);

/// Seconds, and a share from 0 to 1.
type Point = (f64, f64);
type Area<'b> = DrawingArea<SVGBackend<'b>, plotters::coord::Shift>;
type Panel<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn<T = ()> = Result<T, Box<dyn Error>>;

/// The picture of a run, as SVG.
///
/// # Errors
///
/// What the plotting library refuses.
pub(crate) fn svg(report: &Report) -> Drawn<String> {
    let mut svg = String::new();
    draw(report, &SVGBackend::with_string(&mut svg, SIZE).into_drawing_area())?;
    Ok(svg)
}

fn draw(report: &Report, canvas: &Area) -> Drawn {
    canvas.fill(&WHITE)?;
    let (upper, lower) = canvas.titled(&title(report), text(20.0))?.split_vertically(UPPER_HEIGHT);
    // A little room beyond the last event.
    let seconds = report.finished.max(report.bound).as_secs_f64() * 1.02;

    let mut leeches = panel(&upper, seconds, "leeches")?;
    line(&mut leeches, BLUE, "complete", completed(report))?;
    line(&mut leeches, GREEN, "mean progress", samples(report, |sample| sample.verified))?;
    bound_line(&mut leeches, report.bound)?;
    bound_label(&mut leeches, report.bound, seconds)?;
    legend(&mut leeches, SeriesLabelPosition::UpperLeft)?;

    let mut uplinks = panel(&lower, seconds, "uplinks in use")?;
    line(&mut uplinks, PURPLE, "mean leech", samples(report, |sample| sample.leech_uplink_use))?;
    line(&mut uplinks, ORANGE, "seeds", samples(report, |sample| sample.seed_uplink_use))?;
    bound_line(&mut uplinks, report.bound)?;
    legend(&mut uplinks, SeriesLabelPosition::LowerMiddle)?;

    canvas.present()?;
    Ok(())
}

fn title(report: &Report) -> String {
    let leeches = leeches(report).count();
    let mib = report.content_bytes as f64 / f64::from(1 << 20);
    let seconds = report.finished.as_secs_f64();
    format!("{leeches} leeches, {mib:.0} MiB: {seconds:.1} s, {:.2} times the bound", report.ratio)
}

fn leeches(report: &Report) -> impl Iterator<Item = &PeerReport> {
    report.peers.iter().filter(|peer| peer.role == Role::Leech)
}

/// Seconds from the first leech's joining, from which the bound counts too.
fn since_start(report: &Report, time: Duration) -> f64 {
    let start = leeches(report).map(|leech| leech.joined_at).min().unwrap_or_default();
    time.saturating_sub(start).as_secs_f64()
}

/// The share of the leeches that are complete, in steps.
fn completed(report: &Report) -> Vec<Point> {
    let all = leeches(report).count().max(1) as f64;
    let mut points = vec![(0.0, 0.0)];
    let mut share = 0.0;
    for &(time, count) in &report.completions {
        let seconds = since_start(report, time);
        points.push((seconds, share));
        share = f64::from(count) / all;
        points.push((seconds, share));
    }
    points
}

fn samples(report: &Report, value: impl Fn(&Sample) -> f64) -> Vec<Point> {
    let point = |sample: &Sample| (since_start(report, sample.at), value(sample));
    report.progress.iter().map(point).collect()
}

/// An empty panel: seconds to the right, 0 to 100 percent up.
fn panel<'a, 'b>(area: &'a Area<'b>, seconds: f64, name: &str) -> Drawn<Panel<'a, 'b>> {
    let mut panel = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..seconds, 0.0..1.04)?;
    // Axes shorter than a few seconds need the digits.
    let digits = usize::from(seconds < 10.0);
    panel
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(text(13.0))
        .axis_desc_style(text(14.0))
        .x_desc("seconds")
        .x_label_formatter(&|&x| format!("{x:.digits$}"))
        .y_labels(6)
        .y_label_formatter(&|&y| format!("{:.0} %", y * 100.0))
        .y_desc(name)
        .draw()?;
    Ok(panel)
}

fn line(panel: &mut Panel, colour: RGBColor, name: &str, points: Vec<Point>) -> Drawn {
    let style = colour.stroke_width(2);
    panel
        .draw_series(LineSeries::new(points, style))?
        .label(name)
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
    Ok(())
}

/// The fluid bound: no schedule is done before.
fn bound_line(panel: &mut Panel, bound: Duration) -> Drawn {
    let x = bound.as_secs_f64();
    panel.draw_series(DashedLineSeries::new([(x, 0.0), (x, 1.04)], 6, 4, INK.stroke_width(1)))?;
    Ok(())
}

/// On the side that has the room.
fn bound_label(panel: &mut Panel, bound: Duration, seconds: f64) -> Drawn {
    let x = bound.as_secs_f64();
    let (side, away) = if x > seconds / 2.0 { (HPos::Right, -6) } else { (HPos::Left, 6) };
    let style = text(13.0).pos(Pos::new(side, VPos::Bottom));
    let label = Text::new(format!("bound {x:.1} s"), (away, 0), style);
    panel.draw_series([EmptyElement::at((x, 0.04)) + label])?;
    Ok(())
}

fn legend<'a, 'b: 'a>(panel: &mut Panel<'a, 'b>, position: SeriesLabelPosition) -> Drawn {
    panel
        .configure_series_labels()
        .position(position)
        .legend_area_size(28)
        .margin(14)
        .background_style(WHITE.mix(0.85))
        .border_style(GRID)
        .label_font(text(13.0))
        .draw()?;
    Ok(())
}

fn text(size: f64) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", size)).color(&INK)
}

#[cfg(test)]
mod tests {
    use peerit_core::sim::{Link, PeerSpec, Scenario, Simulation};

    use super::*;

    #[test]
    fn the_same_run_makes_the_same_picture() {
        let picture = |seed| {
            let peers = vec![
                PeerSpec::seed(Link::mbit(20, 100)),
                PeerSpec::leech(Link::mbit(20, 100)),
                PeerSpec::leech(Link::mbit(5, 100)),
            ];
            let scenario = Scenario { seed, content_bytes: 2 << 20, peers, ..Scenario::default() };
            svg(&Simulation::new(scenario).unwrap().run().unwrap()).unwrap()
        };
        let drawn = picture(1);
        assert!(drawn.contains("2 leeches, 2 MiB") && drawn.contains("bound"), "{drawn}");
        assert!(drawn.trim_end().ends_with("</svg>"), "{drawn}");
        assert_eq!(drawn, picture(1));
    }
}
