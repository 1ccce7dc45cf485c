//! Downloads what a `.p2p` file describes: `cargo run --example download -- FILE.p2p FOLDER`.

use futures_lite::StreamExt;
use futures_lite::future::block_on;
use peerit_core::manifest::Manifest;
use peerit_core::node::{DownloadOptions, Node};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (file, folder) =
        arguments.next().zip(arguments.next()).ok_or("usage: download FILE.p2p FOLDER")?;
    block_on(async {
        let manifest = Manifest::parse(&std::fs::read(file)?)?;
        let node = Node::builder().start().await?;
        let share = node.download(manifest, folder, DownloadOptions::default()).await?;
        let mut progress = share.progress();
        while let Some(status) = progress.next().await.filter(|status| !status.complete) {
            println!("{} of {} bytes", status.verified, status.total);
        }
        share.completed().await?;
        node.shutdown().await;
        Ok(())
    })
}
