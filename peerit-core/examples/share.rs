//! Seeds a file or folder until Enter is pressed: `cargo run --example share -- PATH`.

use futures_lite::future::block_on;
use peerit_core::node::{Node, ShareOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: share PATH")?;
    block_on(async {
        let node = Node::builder().embedded_tracker(([0, 0, 0, 0], 0).into()).start().await?;
        let share = node.share(path, ShareOptions::default()).await?;
        if let Some(manifest) = share.manifest() {
            let file = format!("{}.p2p", manifest.name());
            std::fs::write(&file, manifest.encode())?;
            println!("wrote {file}, or hand out {}", share.link());
        }
        std::io::stdin().read_line(&mut String::new())?;
        node.shutdown().await;
        Ok(())
    })
}
