//! The host's side: how it calls an endpoint over HTTP, and how it reads the answer.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use feedguard::manager::Call;
use feedguard::quality::Series;
use feedguard::{Source, Verdict};

use crate::bars::{Columns, SYMBOLS, WINDOW};

/// A window of daily bars, asked for by one class of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BarsRequest {
    pub(crate) symbol: usize,
    pub(crate) end: usize,
    pub(crate) category: &'static str,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("transport: {0}")]
    Transport(String),
    #[error("status {status}")]
    Status { status: u16, retry_after: Option<Duration> },
    #[error("{rows} of {WINDOW} rows")]
    HalfAnswer { rows: usize },
    #[error("unreadable answer")]
    Malformed,
}

pub(crate) struct HttpSource {
    agent: ureq::Agent,
    addresses: HashMap<&'static str, SocketAddr>,
    pub(crate) calls: AtomicU64,
}

impl HttpSource {
    pub(crate) fn new(addresses: HashMap<&'static str, SocketAddr>) -> Self {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Self { agent, addresses, calls: AtomicU64::new(0) }
    }

    fn get(&self, url: &str, timeout: Duration) -> Result<String, HttpError> {
        let transport = |error: ureq::Error| HttpError::Transport(error.to_string());
        let request = self.agent.get(url).config().timeout_global(Some(timeout)).build();
        let mut response = request.call().map_err(transport)?;
        let status = response.status().as_u16();
        if status != 200 {
            let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
            let retry_after = header.and_then(|text| text.parse().ok()).map(Duration::from_secs);
            return Err(HttpError::Status { status, retry_after });
        }
        response.body_mut().read_to_string().map_err(transport)
    }
}

impl Source for HttpSource {
    type Request = BarsRequest;
    type Response = Columns;
    type Error = HttpError;

    fn call(&self, call: &Call<'_>, request: &BarsRequest) -> Result<Columns, HttpError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let address = self.addresses[&*call.endpoint().name];
        let url = format!("http://{address}/bars/{}/{}", SYMBOLS[request.symbol], request.end);
        let columns = Columns::parse(&self.get(&url, call.timeout())?).map_err(|_| HttpError::Malformed)?;
        match columns.days.len() {
            WINDOW => Ok(columns),
            rows => Err(HttpError::HalfAnswer { rows }),
        }
    }

    fn judge(&self, _request: &BarsRequest, result: Result<&Columns, &HttpError>) -> Verdict {
        match result {
            Ok(_) => Verdict::Good,
            Err(HttpError::Status { status: 429, retry_after }) => Verdict::Limited { retry_after: *retry_after },
            Err(HttpError::Status { status: 404, .. }) => Verdict::Missing,
            Err(HttpError::Status { status: 400..=499, .. }) => Verdict::Ignore,
            Err(_) => Verdict::Bad,
        }
    }

    fn category<'a>(&'a self, request: &'a BarsRequest) -> &'a str {
        request.category
    }

    fn series<'a>(&'a self, _request: &'a BarsRequest, response: &'a Columns) -> Option<Series<'a>> {
        response.series().ok()
    }

    fn request_bytes(&self, _request: &BarsRequest) -> usize {
        size_of::<BarsRequest>()
    }
}
