//! The baseline of a fetch: a bare WebSocket that writes what comes to a file.

use std::path::Path;

use anyhow::Context as _;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

use crate::input::MEBIBYTE;

/// Serves one client; prints the port first.
#[tokio::main]
pub async fn send(mebibytes: usize) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    let (socket, _) = listener.accept().await?;
    socket.set_nodelay(true)?;
    let mut socket = tokio_tungstenite::accept_async(socket).await?;
    let message = vec![1_u8; MEBIBYTE];
    for _ in 0..mebibytes {
        socket.send(Message::binary(message.clone())).await?;
    }
    socket.close(None).await?;
    while socket.next().await.is_some() {}
    Ok(())
}

/// Writes everything to `out` and to the disk.
#[tokio::main]
pub async fn receive(port: u16, out: &Path) -> anyhow::Result<()> {
    let url = format!("ws://127.0.0.1:{port}/");
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;
    let mut out = File::create(out).await?;
    out.set_max_buf_size(MEBIBYTE);
    while let Some(message) = socket.next().await {
        match message.context("the bare WebSocket broke")? {
            Message::Binary(bytes) => out.write_all(&bytes).await?,
            Message::Close(_) => break,
            other => anyhow::bail!("an unexpected message: {other:?}"),
        }
    }
    out.flush().await?;
    out.sync_all().await?;
    Ok(())
}
