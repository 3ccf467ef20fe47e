#![doc = include_str!("../README.md")]

mod batch;
mod breaker;
mod cache;
mod clock;
mod config;
mod error;
mod limiter;
mod manager;
mod metrics;
mod name;
mod pool;
mod quality;
mod registry;
mod router;
mod sync;
mod tally;

pub use batch::{
    BatchBuilder, BatchConfig, BatchJob, BatchMode, BatchProcessor, BatchReport, BatchStream, CallScope, CancelToken,
    ItemError, WhenFull,
};
pub use breaker::{
    BreakerBuilder, BreakerConfig, BreakerEvent, BreakerMode, BreakerSnapshot, BreakerState, BreakerTier, CallPermit,
    CallVerdict, CircuitBreaker, Open, OpenReason, RateWindow, Settled, WindowCounts, WindowSize,
};
pub use cache::{
    BoxError, CacheBuilder, CacheConfig, CacheMode, CacheSnapshot, CacheStatus, Cached, Eviction, ExpiryMode,
    KeyTooLong, LoadError, Loaded, SmartCache, WarmUpReport,
};
pub use clock::{Clock, Deadline, ManualClock, Tick};
pub use error::{CallError, ConfigError, ConfigFault};
pub use limiter::{
    AdaptiveRateLimiter, CalendarQuota, LimitReason, Limited, LimiterBuilder, LimiterConfig, LimiterEvent,
    LimiterSnapshot, QuotaKind, QuotaPeriod, QuotaState, QuotaWindow, QuotaWindowState, RateBound, RateControl,
    RateOutcome, RatePermit, Reservation, retry_after,
};
pub use manager::{
    CachesConfig, Category, DataSourceManager, EndpointConfig, EndpointHealth, FetchError, FetchErrorKind, FetchReport,
    Fetched, HedgeConfig, HedgeSnapshot, ManagerBuilder, ManagerConfig, ManagerSnapshot, QuotaGroupConfig, Refusal,
    RefusalReason, Source, Verdict,
};
pub use metrics::Metrics;
#[cfg(feature = "prometheus")]
pub use metrics::MetricsError;
pub use name::Name;
pub use pool::{PoolSnapshot, ShutdownReport};
pub use quality::{
    Bars, Board, BoardLimit, Column, CustomFindings, DataQualityValidator, Dimension, DimensionScores, Finding, Policy,
    PriceLimits, QualityConfig, QualityReport, RobustConfig, RowSet, Rule, RuleLevel, RuleTotal, Series, SeriesError,
    Severity, Skipped, TimeUnit, TradingCalendar, ValidatorBuilder,
};
pub use registry::{Registry, RegistryError};
pub use router::{
    Availability, Budget, CallOutcome, Candidate, Decision, EndpointIndex, EndpointSnapshot, EndpointSpec, InFlight,
    NoEndpoint, RouterBuilder, RouterConfig, RouterPolicy, RouterSnapshot, Settlement, ShadowCounts, SmartRouter,
    Terms, WhyNot,
};
