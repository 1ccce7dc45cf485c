//! Two nodes inside a tokio application, whose runtime does all their work:
//! `cargo run --example in_tokio --no-default-features --features tokio`.

use std::sync::Arc;

use peerit_core::node::{DownloadOptions, Node, ShareOptions};
use peerit_core::runtime::tokio::Tokio;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let content = folder.path().join("numbers.bin");
    std::fs::write(&content, (0..=u8::MAX).cycle().take(20 << 20).collect::<Vec<_>>())?;

    let runtime = Arc::new(Tokio::current().ok_or("not in tokio")?);
    let seeding = Node::builder().runtime(runtime.clone()).start().await?;
    let shared = seeding.share(&content, ShareOptions::default()).await?;
    let manifest = shared.manifest().cloned().ok_or("a share has a manifest")?;

    let downloading = Node::builder().runtime(runtime).start().await?;
    let peers = vec![([127, 0, 0, 1], seeding.listen_port()).into()];
    let options = DownloadOptions { peers, ..DownloadOptions::default() };
    let copy = downloading.download(manifest, folder.path().join("copy"), options).await?;

    // Awaited like any other future of the application.
    tokio::select! {
        completed = copy.completed() => completed?,
        () = tokio::time::sleep(std::time::Duration::from_secs(60)) => return Err("took too long".into()),
    }
    println!("{} bytes arrived in {}", copy.status().verified, copy.status().path.display());
    downloading.shutdown().await;
    seeding.shutdown().await;
    Ok(())
}
