//! What a source is told of the call it makes.

use std::fmt;
use std::time::Duration;

use crate::clock::{Clock, Deadline};
use crate::router::EndpointSpec;

/// What a source is told of the call it makes.
///
/// # Examples
/// ```
/// use feedguard::manager::Call;
/// fn get(call: &Call<'_>, symbol: &str) -> Result<String, std::io::Error> {
///     // An HTTP client with this time-out:
///     Ok(format!("GET {}/{symbol} within {:?}", call.endpoint().name, call.timeout()))
/// }
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Call<'a> {
    pub(super) endpoint: &'a EndpointSpec,
    pub(super) category: &'a str,
    pub(super) deadline: Deadline,
    pub(super) clock: &'a Clock,
    pub(super) attempt: u32,
    pub(super) is_background: bool,
    pub(super) is_hedge: bool,
}

impl<'a> Call<'a> {
    /// The endpoint to call.
    pub const fn endpoint(&self) -> &'a EndpointSpec {
        self.endpoint
    }

    /// The category of the request, as configured.
    pub const fn category(&self) -> &'a str {
        self.category
    }

    /// The time left: set it as the client's time-out. Past it the call is given up and counts as timed
    /// out; its thread stays taken until it really ends.
    pub fn timeout(&self) -> Duration {
        self.deadline.remaining(self.clock.now()).unwrap_or(Duration::MAX)
    }

    /// When the call is given up.
    pub const fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Which call of its fetch it is, from 1.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether it is a refresh that nobody waits for.
    pub const fn is_background(&self) -> bool {
        self.is_background
    }

    /// Whether it is made beside another one that takes long.
    pub const fn is_hedge(&self) -> bool {
        self.is_hedge
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("endpoint", &self.endpoint.name)
            .field("category", &self.category)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
