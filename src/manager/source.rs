//! What a host brings: how to call an endpoint, and how to read its answer.

use std::error::Error;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;

use super::call::Call;
use super::verdict::Verdict;
use crate::quality::Series;

/// A host's endpoint calls.
///
/// # Concurrency
/// Called from many threads at once; [`call`](Self::call), [`judge`](Self::judge) and
/// [`series`](Self::series) run on threads of the manager, one call a thread, never under a lock of this
/// crate. They may fetch from the same manager.
///
/// # Examples
/// ```
/// use feedguard::manager::Call;
/// use feedguard::{Source, Verdict};
/// struct Quotes;
/// impl Source for Quotes {
///     type Request = String;
///     type Response = f64;
///     type Error = std::io::Error;
///     fn call(&self, call: &Call<'_>, symbol: &String) -> Result<f64, std::io::Error> {
///         // An HTTP call to `call.endpoint().name` with the time-out `call.timeout()`.
///         Ok(symbol.len() as f64)
///     }
///     fn category<'a>(&'a self, _symbol: &'a String) -> &'a str {
///         "realtime"
///     }
/// }
/// ```
pub trait Source: Send + Sync + 'static {
    /// A request; also the key of its cached answer.
    type Request: Hash + Eq + Clone + Send + Sync + 'static;
    /// An answer.
    type Response: Send + Sync + 'static;
    /// A failure; callers get it back unchanged.
    type Error: Error + Send + Sync + 'static;

    /// Makes one call to one endpoint, and gives up after [`Call::timeout`].
    ///
    /// # Errors
    /// The host's own; [`judge`](Self::judge) says what it means.
    fn call(&self, call: &Call<'_>, request: &Self::Request) -> Result<Self::Response, Self::Error>;

    /// What kind of data a request is for: it chooses the cache and the endpoints. By default
    /// `"default"`; `"daily"`, `"minute"` and `"realtime"` have settings of their own.
    fn category<'a>(&'a self, request: &'a Self::Request) -> &'a str {
        let _ = request;
        "default"
    }

    /// What a result says about the endpoint; by default every error is [`Verdict::Bad`]. For HTTP, see
    /// [`Verdict::of_http`].
    fn judge(&self, request: &Self::Request, result: Result<&Self::Response, &Self::Error>) -> Verdict {
        let _ = request;
        if result.is_ok() { Verdict::Good } else { Verdict::Bad }
    }

    /// Whether a request may be made more than once. **By default `true`: reads of a data source are.** A
    /// request that is not gets no second call at the same time and none after a round that has failed.
    fn is_idempotent(&self, request: &Self::Request) -> bool {
        let _ = request;
        true
    }

    /// The answer as a price series, if it is one: the validator looks at it then. Calendars and the like
    /// may be lent from the source or the request.
    fn series<'a>(&'a self, request: &'a Self::Request, response: &'a Self::Response) -> Option<Series<'a>> {
        let _ = (request, response);
        None
    }

    /// Whether an answer without rows is unusable; by default `true`. A host that asks for days on which
    /// there may be no trading says `false` for them.
    fn expects_rows(&self, request: &Self::Request) -> bool {
        let _ = request;
        true
    }

    /// Length of a request in bytes, checked against the cache's `max_key_bytes`.
    fn request_bytes(&self, request: &Self::Request) -> usize {
        let _ = request;
        0
    }

    /// Weight of an answer in its cache, whose `max_capacity` bounds the sum; by default 1, so that the
    /// capacity counts answers. Answers of many megabytes want their size here, in kilobytes for instance.
    fn response_weight(&self, request: &Self::Request, response: &Self::Response) -> u32 {
        let _ = (request, response);
        1
    }
}

type Types<Q, R, E> = fn(&Q) -> Result<R, E>;

/// A source of one closure, for small programs; see [`source_fn`].
///
/// # Examples
/// ```
/// use feedguard::manager::{Call, SourceFn, source_fn};
/// type Get = fn(&Call<'_>, &String) -> Result<f64, std::io::Error>;
/// let source: SourceFn<String, f64, std::io::Error, Get> = source_fn(|_, symbol: &String| Ok(symbol.len() as f64));
/// # drop(source);
/// ```
pub struct SourceFn<Q, R, E, F> {
    call: F,
    types: PhantomData<Types<Q, R, E>>,
}

/// A source of one closure.
///
/// # Examples
/// ```
/// use feedguard::manager::{Call, source_fn};
/// use feedguard::{DataSourceManager, EndpointConfig, EndpointSpec, ManagerConfig};
/// let source = source_fn(|_call: &Call<'_>, symbol: &String| Ok::<_, std::io::Error>(symbol.len()));
/// let endpoints = vec![EndpointConfig::new(EndpointSpec::named("exchange"))];
/// let manager = DataSourceManager::new("quotes", ManagerConfig::default().endpoints(endpoints), source)?;
/// assert_eq!(*manager.fetch(&"600519".to_owned())?, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn source_fn<Q, R, E, F>(call: F) -> SourceFn<Q, R, E, F>
where
    F: Fn(&Call<'_>, &Q) -> Result<R, E> + Send + Sync + 'static,
{
    SourceFn { call, types: PhantomData }
}

impl<Q, R, E, F> Source for SourceFn<Q, R, E, F>
where
    Q: Hash + Eq + Clone + Send + Sync + 'static,
    R: Send + Sync + 'static,
    E: Error + Send + Sync + 'static,
    F: Fn(&Call<'_>, &Q) -> Result<R, E> + Send + Sync + 'static,
{
    type Request = Q;
    type Response = R;
    type Error = E;

    fn call(&self, call: &Call<'_>, request: &Q) -> Result<R, E> {
        (self.call)(call, request)
    }
}

impl<Q, R, E, F> fmt::Debug for SourceFn<Q, R, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceFn")
    }
}
