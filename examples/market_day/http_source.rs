//! The host's side: how it calls an endpoint over HTTP, and how it reads the answer.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use feedguard::manager::Call;
use feedguard::quality::Series;
use feedguard::{Source, Verdict};

use crate::bars::{Columns, SYMBOLS, WINDOW};
use crate::settings::SOURCES;

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
    Status { status: u16, retry_after: Option<String> },
    #[error("{rows} of {WINDOW} rows")]
    HalfAnswer { rows: usize },
    #[error("unreadable answer")]
    Malformed,
}

pub(crate) struct HttpSource {
    agent: ureq::Agent,
    addresses: HashMap<&'static str, SocketAddr>,
    opened: Instant,
    /// When which source was called, in order of the list of sources.
    pub(crate) calls: Mutex<Vec<(Duration, usize)>>,
}

impl HttpSource {
    pub(crate) fn new(addresses: HashMap<&'static str, SocketAddr>, opened: Instant) -> Self {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Self { agent, addresses, opened, calls: Mutex::new(Vec::new()) }
    }

    /// Asks one source for one window of bars.
    pub(crate) fn get(&self, name: &str, request: &BarsRequest, timeout: Duration) -> Result<Columns, HttpError> {
        let number = SOURCES.iter().position(|source| *source == name).unwrap_or_default();
        if let Ok(mut calls) = self.calls.lock() {
            calls.push((self.opened.elapsed(), number));
        }
        let url = format!("http://{}/bars/{}/{}", self.addresses[name], SYMBOLS[request.symbol], request.end);
        let columns = Columns::parse(&self.text(&url, timeout)?).map_err(|_| HttpError::Malformed)?;
        match columns.days.len() {
            WINDOW => Ok(columns),
            rows => Err(HttpError::HalfAnswer { rows }),
        }
    }

    fn text(&self, url: &str, timeout: Duration) -> Result<String, HttpError> {
        let transport = |error: ureq::Error| HttpError::Transport(error.to_string());
        let request = self.agent.get(url).config().timeout_global(Some(timeout)).build();
        let mut response = request.call().map_err(transport)?;
        let status = response.status().as_u16();
        if status != 200 {
            let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
            return Err(HttpError::Status { status, retry_after: header.map(str::to_owned) });
        }
        response.body_mut().read_to_string().map_err(transport)
    }
}

impl Source for HttpSource {
    type Request = BarsRequest;
    type Response = Columns;
    type Error = HttpError;

    fn call(&self, call: &Call<'_>, request: &BarsRequest) -> Result<Columns, HttpError> {
        self.get(&call.endpoint().name, request, call.timeout())
    }

    fn judge(&self, _request: &BarsRequest, result: Result<&Columns, &HttpError>) -> Verdict {
        match result {
            Ok(_) => Verdict::Good,
            Err(HttpError::Status { status, retry_after }) => Verdict::of_http(*status, retry_after.as_deref()),
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
