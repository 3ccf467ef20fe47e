//! What every `*Config` is made with: human durations, range checks that collect all faults, and
//! the chain setters.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::{ConfigError, ConfigFault};

/// The longest duration a configuration may hold: ten years.
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Collects the faults of one configuration, so that an operator sees all of them at once.
pub(crate) struct Faults(Vec<ConfigFault>);

impl Faults {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn range<T: PartialOrd + Display>(&mut self, path: &str, value: T, allowed: RangeInclusive<T>) {
        if !allowed.contains(&value) {
            self.add(path, value, format!("{} to {}", allowed.start(), allowed.end()));
        }
    }

    pub(crate) fn duration(&mut self, path: &str, value: Duration, allowed: RangeInclusive<Duration>) {
        if !allowed.contains(&value) {
            let text = |d: Duration| humantime::format_duration(d).to_string();
            self.add(path, text(value), format!("{} to {}", text(*allowed.start()), text(*allowed.end())));
        }
    }

    pub(crate) fn require(&mut self, holds: bool, path: &str, value: impl Display, expected: impl Into<String>) {
        if !holds {
            self.add(path, value, expected.into());
        }
    }

    /// A name: 1 to 200 bytes without control characters, which would break log lines.
    pub(crate) fn name(&mut self, path: &str, name: &str) {
        let is_good = (1..=200).contains(&name.len()) && !name.chars().any(char::is_control);
        let shown: String = name.escape_debug().take(40).collect();
        self.require(is_good, path, shown, "1 to 200 bytes without control characters");
    }

    /// The faults of a guard's settings and its name.
    pub(crate) fn of_guard(name: &str, config: Result<(), ConfigError>) -> Self {
        let mut faults = Self::new();
        faults.name("name", name);
        faults.add_all(config);
        faults
    }

    pub(crate) fn nested(&mut self, prefix: &str, result: Result<(), ConfigError>) {
        if let Err(error) = result {
            self.0.extend_from_slice(error.within(prefix).faults());
        }
    }

    /// Takes over faults whose paths are complete.
    pub(crate) fn add_all(&mut self, result: Result<(), ConfigError>) {
        if let Err(error) = result {
            self.0.extend_from_slice(error.faults());
        }
    }

    pub(crate) fn finish(self) -> Result<(), ConfigError> {
        if self.0.is_empty() { Ok(()) } else { Err(ConfigError::new(self.0)) }
    }

    fn add(&mut self, path: &str, value: impl Display, expected: String) {
        self.0.push(ConfigFault { path: path.to_owned(), value: value.to_string(), expected });
    }
}

/// Durations written as `"5m"`, `"1h 30m"`, `"250ms"`.
pub(crate) mod human {
    use std::fmt;
    use std::time::Duration;

    use serde::{Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*value))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_str(Text)
    }

    struct Text;

    impl de::Visitor<'_> for Text {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration such as \"5m\" or \"250ms\"")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
            humantime::parse_duration(text)
                .map_err(|error| E::custom(format!("{text:?} is not a duration such as \"5m\" or \"250ms\": {error}")))
        }
    }
}

/// Optional durations: absent or `null` is `None`.
pub(crate) mod human_opt {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    struct Human(#[serde(with = "super::human")] Duration);

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub(crate) fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(duration) => super::human::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Human>::deserialize(deserializer)?.map(|human| human.0))
    }
}

/// Writes a chain setter of the same name for each listed public field.
macro_rules! setters {
    ($config:ident { $($field:ident : $kind:ty),* $(,)? }) => {
        impl $config {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self#structfield.", stringify!($field), ").")]
                #[must_use]
                pub fn $field(mut self, value: $kind) -> Self {
                    self.$field = value;
                    self
                }
            )*
        }
    };
}
pub(crate) use setters;

/// Writes the setters that every builder has, inside its `impl`.
macro_rules! builder_setters {
    ($config:ty) => {
        /// Sets the settings; the defaults otherwise.
        pub fn config(mut self, config: $config) -> Self {
            self.config = config;
            self
        }

        /// Sets the clock; the system clock otherwise.
        pub fn clock(mut self, clock: $crate::clock::Clock) -> Self {
            self.clock = clock;
            self
        }

        /// Counts into these metrics; otherwise into none.
        pub fn metrics(mut self, metrics: &$crate::metrics::Metrics) -> Self {
            self.metrics = metrics.clone();
            self
        }
    };
}
pub(crate) use builder_setters;
