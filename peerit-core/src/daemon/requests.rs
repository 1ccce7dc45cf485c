//! One client: reads its requests and sends the answers.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::io::BufReader;
use futures_util::{FutureExt, select_biased};
use peerit_proto::daemon::v1 as proto;
use proto::request::Body as Ask;
use proto::response::Body as Answer;

use super::convert;
use super::ipc::{self, IpcError};
use super::limits::{BODY_TIMEOUT, TURN_LENGTH, WATCH_INTERVAL_MS};
use super::office::{Change, Office, share_options};
use super::shares::{Hashed, RequestError};
use crate::node::ShareOptions;
use crate::runtime::{BoxStream, timeout};

/// Time between two reports while content is hashed.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// One connection of a client.
pub(super) struct Client {
    office: Arc<Office>,
    stream: BufReader<BoxStream>,
}

impl Client {
    pub(super) fn new(office: Arc<Office>, stream: BoxStream) -> Self {
        Self { office, stream: BufReader::new(stream) }
    }

    /// Answers requests until the client closes the connection, or sends what is none.
    pub(super) async fn serve(mut self) {
        match self.answer_all().await {
            Ok(()) => {}
            Err(error @ (IpcError::TooLong | IpcError::Undecodable(_))) => {
                let _ = self.refuse(&error.to_string(), true).await;
            }
            Err(error) => log::debug!("a client is gone: {error}"),
        }
    }

    async fn answer_all(&mut self) -> Result<(), IpcError> {
        let office = Arc::clone(&self.office);
        while let Some(length) = ipc::read_length(&mut self.stream).await? {
            let turn = if length > TURN_LENGTH { Some(office.turn.lock().await) } else { None };
            let body = ipc::read_body::<proto::Request>(&mut self.stream, length);
            let request = timeout(&*office.runtime, BODY_TIMEOUT, body)
                .await
                .unwrap_or_else(|_| Err(IpcError::Io(std::io::ErrorKind::TimedOut.into())))?;
            // Only a manifest is worth waiting for.
            let _turn = turn.filter(|_| matches!(request.body, Some(Ask::Download(_))));
            self.answer(request).await?;
        }
        Ok(())
    }

    async fn answer(&mut self, request: proto::Request) -> Result<(), IpcError> {
        let office = Arc::clone(&self.office);
        let answer = match request.body {
            None => Err(RequestError::Invalid("the daemon does not know this request".to_owned())),
            Some(Ask::Share(ask)) => self.share(ask).await?,
            Some(Ask::Download(ask)) => office.download(ask).await,
            Some(Ask::Status(ask)) => office.status(&ask.content_id),
            Some(Ask::Watch(ask)) => return self.watch(&ask).await,
            Some(Ask::Pause(ask)) => office.change(&ask.content_id, Change::Pause).await,
            Some(Ask::Resume(ask)) => office.change(&ask.content_id, Change::Resume).await,
            Some(Ask::Remove(ask)) => office.change(&ask.content_id, Change::Remove).await,
            Some(Ask::Limit(ask)) => office.limit(ask).await,
            Some(Ask::Stop(_)) => {
                office.shares.shut_down().await;
                // Also when the client is gone: a daemon without a node is of no use to anybody.
                let sent = self.send(Answer::Done(proto::Done {})).await;
                office.stopper.stop();
                return sent;
            }
        };
        self.send_result(answer).await
    }

    async fn share(&mut self, ask: proto::Share) -> Result<Result<Answer, RequestError>, IpcError> {
        let hashed = match share_options(&ask) {
            Ok((path, options)) => self.hash(path, options, ask.more_trackers).await?,
            Err(error) => Err(error),
        };
        let shared = match hashed {
            Ok(hashed) => self.office.shares.adopt(hashed).await,
            Err(error) => Err(error),
        };
        Ok(shared.map(|manifest| {
            Answer::Shared(proto::Shared {
                content_id: convert::id_to_bytes(&manifest.content_id().0),
                manifest: manifest.encode().into(),
            })
        }))
    }

    /// Reports while it hashes; given up when nobody reads the reports.
    async fn hash(
        &mut self,
        path: PathBuf,
        mut options: ShareOptions,
        more_trackers: Vec<String>,
    ) -> Result<Result<Hashed, RequestError>, IpcError> {
        let office = Arc::clone(&self.office);
        let counts = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
        let counted = Arc::clone(&counts);
        options.progress = Some(Arc::new(move |done, total| {
            // Workers report in any order.
            counted.0.fetch_max(done, Ordering::Relaxed);
            counted.1.store(total, Ordering::Relaxed);
        }));
        let mut hashing = Box::pin(office.shares.hash(path, options, more_trackers).fuse());
        loop {
            select_biased! {
                hashed = hashing => return Ok(hashed),
                () = office.runtime.sleep(PROGRESS_INTERVAL).fuse() => {
                    let done_bytes = counts.0.load(Ordering::Relaxed);
                    let total_bytes = counts.1.load(Ordering::Relaxed);
                    self.send(Answer::Progress(proto::Progress { done_bytes, total_bytes })).await?;
                }
            }
        }
    }

    async fn watch(&mut self, ask: &proto::Watch) -> Result<(), IpcError> {
        let (fastest, slowest) = WATCH_INTERVAL_MS.into_inner();
        let interval = Duration::from_millis(ask.interval_ms.clamp(fastest, slowest).into());
        let office = Arc::clone(&self.office);
        loop {
            // Looked at before the answer is: what comes in between is told at once.
            let share = office.share(&ask.content_id).map(|share| (share.is_at_end(), share));
            let answer = office.status(&ask.content_id);
            let failed = answer.is_err();
            self.send_result(answer).await?;
            if failed {
                return Ok(());
            }
            match share {
                Some((was_at_end, share)) => share.after(interval, was_at_end).await,
                None => office.runtime.sleep(interval).await,
            }
        }
    }

    async fn send_result(&mut self, answer: Result<Answer, RequestError>) -> Result<(), IpcError> {
        let sent = match answer {
            Ok(answer) => self.send(answer).await,
            Err(error) => self.refuse(&error.to_string(), error.is_usage()).await,
        };
        match sent {
            Err(IpcError::TooLong) => {
                self.refuse("the answer is too long: ask for one share", true).await
            }
            sent => sent,
        }
    }

    async fn refuse(&mut self, message: &str, usage: bool) -> Result<(), IpcError> {
        let failure = proto::Failure { message: message.to_owned(), usage, full: false };
        self.send(Answer::Failure(failure)).await
    }

    async fn send(&mut self, body: Answer) -> Result<(), IpcError> {
        ipc::write(&mut self.stream, &proto::Response { body: Some(body) }).await
    }
}
