//! Both runtimes keep the same promises.

use std::future::{pending, ready};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::join;
use futures_util::{AsyncReadExt, AsyncWriteExt};

use super::testing::on_each_runtime;
use super::*;

const LONG: Duration = Duration::from_secs(3_600);

#[test]
fn tasks_and_blocking_jobs_run() {
    on_each_runtime(|runtime| async move {
        let (sender, receiver) = async_channel::bounded(1);
        runtime.spawn(Box::pin(async move { sender.send(1).await.unwrap() }));
        assert_eq!(receiver.recv().await, Ok(1));

        let here = std::thread::current().id();
        let there = blocking(&*runtime, || std::thread::current().id()).await;
        assert_ne!(here, there);
    });
}

#[test]
fn a_panic_of_a_blocking_job_reaches_who_awaits_it() {
    on_each_runtime(|runtime| async move {
        let (sender, receiver) = async_channel::bounded::<()>(1);
        let inner = Arc::clone(&runtime);
        runtime.spawn(Box::pin(async move {
            let _alive = sender;
            blocking(&*inner, || std::panic::resume_unwind(Box::new("job"))).await;
        }));
        // The task unwinds, which drops its sender.
        assert!(receiver.recv().await.is_err());
    });
}

#[test]
fn deadlines_end_what_does_not_answer() {
    on_each_runtime(|runtime| async move {
        let short = Duration::from_millis(1);
        assert_eq!(timeout(&*runtime, short, pending::<()>()).await, Err(Elapsed));
        assert_eq!(timeout(&*runtime, LONG, ready(7)).await, Ok(7));
        assert_eq!(timeout(&*runtime, Duration::ZERO, ready(7)).await, Ok(7));
    });
}

async fn tcp_echo(runtime: &dyn Runtime, address: SocketAddr) -> io::Result<()> {
    let listener = runtime.tcp_listener(std::net::TcpListener::bind(address)?)?;
    let bound = listener.local_address()?;
    let (accepted, connected) = join(listener.accept(), runtime.connect_tcp(bound)).await;
    let ((mut server, from), mut client) = (accepted?, connected?);
    assert_eq!(from.ip(), address.ip());

    client.write_all(b"ping").await?;
    client.close().await?;
    let mut received = Vec::new();
    server.read_to_end(&mut received).await?;
    assert_eq!(received, b"ping");
    // The other direction is still open.
    server.write_all(b"pong").await?;
    drop(server);
    received.clear();
    client.read_to_end(&mut received).await?;
    assert_eq!(received, b"pong");
    Ok(())
}

#[test]
fn tcp_carries_bytes_both_ways() {
    on_each_runtime(|runtime| async move {
        tcp_echo(&*runtime, (Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        match tcp_echo(&*runtime, (Ipv6Addr::LOCALHOST, 0).into()).await {
            // Not every machine has IPv6.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
            result => result.unwrap(),
        }
    });
}

#[test]
fn a_refused_connection_is_an_error() {
    on_each_runtime(|runtime| async move {
        let unused = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = unused.local_addr().unwrap();
        drop(unused);
        assert!(runtime.connect_tcp(address).await.is_err());
    });
}

#[test]
fn datagrams_travel() {
    on_each_runtime(|runtime| async move {
        let socket = || {
            let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            runtime.udp_socket(socket).unwrap()
        };
        let (one, other) = (socket(), socket());
        one.send_to(b"ping", other.local_address().unwrap()).await.unwrap();
        let mut buffer = [0; 64];
        let (length, from) = other.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..length], from), (&b"ping"[..], one.local_address().unwrap()));
    });
}

#[cfg(unix)]
#[test]
fn unix_sockets_carry_bytes() {
    on_each_runtime(|runtime| async move {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let listener = runtime.unix_listener(listener).unwrap();
        let (accepted, connected) = join(listener.accept(), runtime.connect_unix(path)).await;
        let mut client = connected.unwrap();
        client.write_all(b"ping").await.unwrap();
        client.close().await.unwrap();
        let mut received = String::new();
        accepted.unwrap().read_to_string(&mut received).await.unwrap();
        assert_eq!(received, "ping");
    });
}

#[test]
fn what_knows_tokio_only_runs_on_a_blocking_thread_of_each() {
    on_each_runtime(|runtime| async move {
        let job = || on_tokio(async { ::tokio::time::sleep(Duration::from_millis(1)).await });
        blocking(&*runtime, job).await.unwrap();
    });
}
