//! Settings of the caches, by category.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::cache::{CacheConfig, preset};

/// The category of requests that name none, and the settings of those that are not configured.
pub(super) const DEFAULT: &str = "default";

/// Settings of one cache a category. `daily`, `minute` and `realtime` have presets of their own when
/// named so, any other may say `preset = "daily"`; a category that is not listed uses `default`.
///
/// # Examples
/// ```
/// use feedguard::CacheConfig;
/// use feedguard::manager::CachesConfig;
/// use std::time::Duration;
/// let text = r#"{"realtime": {"time_to_live": "5s"}, "fundamentals": {"preset": "daily", "jitter": 0.2}}"#;
/// let caches: CachesConfig = serde_json::from_str(text)?;
/// assert_eq!(caches.get("realtime"), CacheConfig::realtime().time_to_live(Duration::from_secs(5)));
/// assert_eq!(caches.get("fundamentals"), CacheConfig::daily().jitter(0.2));
/// assert_eq!(caches.get("minute"), CacheConfig::minute());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
#[non_exhaustive]
pub struct CachesConfig {
    settings: BTreeMap<String, CacheConfig>,
}

impl CachesConfig {
    /// Sets a category's settings.
    #[must_use]
    pub fn set(mut self, category: impl Into<String>, cache: CacheConfig) -> Self {
        self.settings.insert(category.into(), cache);
        self
    }

    /// Sets those of `daily`.
    #[must_use]
    pub fn daily(self, cache: CacheConfig) -> Self {
        self.set("daily", cache)
    }

    /// Sets those of `minute`.
    #[must_use]
    pub fn minute(self, cache: CacheConfig) -> Self {
        self.set("minute", cache)
    }

    /// Sets those of `realtime`.
    #[must_use]
    pub fn realtime(self, cache: CacheConfig) -> Self {
        self.set("realtime", cache)
    }

    /// The same change to `default`, `daily`, `minute`, `realtime` and all that are configured.
    #[must_use]
    pub fn all(mut self, change: impl Fn(CacheConfig) -> CacheConfig) -> Self {
        for name in [DEFAULT, "daily", "minute", "realtime"] {
            self.settings.entry(name.to_owned()).or_insert_with(|| preset::named(name));
        }
        for cache in self.settings.values_mut() {
            *cache = change(cache.clone());
        }
        self
    }

    /// The settings a category has: its own, its preset, or those of `default`.
    pub fn get(&self, category: &str) -> CacheConfig {
        let own = self.settings.get(category).cloned();
        own.or_else(|| preset::is_named(category).then(|| preset::named(category)))
            .or_else(|| self.settings.get(DEFAULT).cloned())
            .unwrap_or_default()
    }

    /// The configured categories with their settings.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &CacheConfig)> {
        self.settings.iter().map(|(name, cache)| (name.as_str(), cache))
    }
}

impl<'de> Deserialize<'de> for CachesConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByCategory;

        impl<'de> Visitor<'de> for ByCategory {
            type Value = CachesConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("settings of caches by category")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CachesConfig, A::Error> {
                let mut caches = CachesConfig::default();
                while let Some(name) = map.next_key::<String>()? {
                    let cache = map.next_value_seed(preset::Over(&name))?;
                    caches.settings.insert(name, cache);
                }
                Ok(caches)
            }
        }

        deserializer.deserialize_map(ByCategory)
    }
}
