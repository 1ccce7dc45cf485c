//! `peerit doctor`: says what NAT this machine is behind, and what to do about it.

use futures_lite::future;
use peerit_core::node::doctor::{self, AddressReport, Ipv6, PortMapping, Report, Server};

use crate::args::Doctor;
use crate::daemon::runtime;
use crate::env::Env;
use crate::error::CliError;
use crate::{json, p2p};

pub(crate) async fn run(args: &Doctor, env: &mut Env) -> Result<(), CliError> {
    let servers = servers(args, env)?;
    if servers.is_empty() {
        let problem = "name somebody who can tell how this machine is seen: a .p2p file with trackers, \
                       --tracker HOST:PORT or --stun HOST:PORT";
        return Err(CliError::Usage(problem.to_owned()));
    }
    if servers.len() > doctor::SERVERS_MAX {
        env.note(&format!("only the first {} servers are asked", doctor::SERVERS_MAX));
    }
    let runtime = runtime()?;
    let mapping = async {
        match args.port_mapping {
            true => doctor::try_port_mapping(&runtime).await,
            false => PortMapping::Untried,
        }
    };
    let (report, ports) = future::zip(doctor::examine(&runtime, &servers), mapping).await;
    let report = Report { ports, ..report? };
    if args.json {
        json::print(env, &json::Doctor::of(&report), false)?;
    } else {
        env.print(&lines(&report).join("\n"))?;
    }
    match report.is_reached() {
        true => Ok(()),
        false => Err(CliError::Usage("no server answered".to_owned())),
    }
}

/// Those of the command line and of the files, each once.
fn servers(args: &Doctor, env: &mut Env) -> Result<Vec<Server>, CliError> {
    let server = |is_tracker| move |name: &String| Server { name: name.clone(), is_tracker };
    let mut servers: Vec<_> = args.trackers.iter().map(server(true)).collect();
    for file in &args.files {
        servers.extend(p2p::read(env, file)?.trackers().iter().map(server(true)));
    }
    servers.extend(args.stun.iter().map(server(false)));
    let mut once: Vec<Server> = Vec::new();
    for server in servers {
        if once.iter().all(|other| other.name != server.name) {
            once.push(server);
        }
    }
    Ok(once)
}

fn lines(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for server in &report.servers {
        let name = &server.server;
        if !server.problem.is_empty() {
            lines.push(format!("{name}: {}", server.problem));
        }
        lines.extend(server.addresses.iter().map(|address| address_line(name, address)));
    }
    let udp = match report.udp {
        Some(true) => "passes",
        Some(false) => "does not pass",
        None => "unknown",
    };
    lines.push(String::new());
    lines.push(format!("UDP            {udp}"));
    lines.push(format!("NAT mapping    {}", report.mapping));
    lines.push(format!("NAT filtering  {}", report.filtering));
    lines.push(format!("Port mapping   {}", report.ports));
    lines.push(format!("IPv6           {}", ipv6(report.ipv6)));
    lines.push(String::new());
    lines.extend(report.advice().iter().map(|advice| format!("- {advice}")));
    lines
}

fn address_line(name: &str, address: &AddressReport) -> String {
    let udp = match address.mapped {
        Some(mapped) => format!("UDP: sees us at {mapped}"),
        None => "UDP: no answer".to_owned(),
    };
    let tcp = match &address.tcp {
        Some(Ok(())) => "; TCP: answers".to_owned(),
        Some(Err(problem)) => format!("; TCP: {problem}"),
        None => String::new(),
    };
    let at = match address.address.to_string() {
        at if at == name => String::new(),
        at => format!(" ({at})"),
    };
    format!("{name}{at}: {udp}{tcp}")
}

fn ipv6(ipv6: Ipv6) -> String {
    match ipv6 {
        Ipv6::Absent => "no public address".to_owned(),
        Ipv6::Untried(ip) => format!("{ip}; no server has an IPv6 address, so it is untried"),
        Ipv6::Works(ip) => format!("{ip}, works"),
        Ipv6::Broken(ip) => format!("{ip}; no server answers over it"),
    }
}
