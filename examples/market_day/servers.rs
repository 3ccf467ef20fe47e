//! The four sources: real sockets on loopback, misbehaving on a seeded timetable.

use std::collections::HashMap;
use std::error::Error;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::bars::{Library, SYMBOLS, spoil};
use crate::settings::{FREE_FLAKY, FREE_SLOW, METERED, PAID_FAST};

type BoxError = Box<dyn Error + Send + Sync>;

/// Share of the day in which something happens.
pub(crate) const FLAKY_OUTAGE: std::ops::Range<f64> = 0.30..0.45;
pub(crate) const PAID_SLOW: std::ops::Range<f64> = 0.60..0.72;
pub(crate) const LINE_DOWN: std::ops::Range<f64> = 0.80..0.86;

/// The four sources, open for one day.
pub(crate) struct Market {
    addresses: HashMap<&'static str, SocketAddr>,
    pub(crate) opened: Instant,
}

/// What all sources share: bars, the hour, and the dice.
struct Floor {
    library: Library,
    opened: Instant,
    length: Duration,
    dice: Mutex<fastrand::Rng>,
}

/// How a source behaves.
#[derive(Clone, Copy)]
struct Manner {
    median: Duration,
    sigma: f64,
    /// Calls a second before it says 429.
    limit: f64,
    slots: usize,
}

/// What a source does with a call.
enum Deed {
    Answer,
    TooMany,
    Fail,
    Spoiled,
    /// Cuts the answer in the middle.
    Half,
    Hang,
    /// Closes the connection without a word.
    Drop,
}

impl Market {
    pub(crate) fn open(length: Duration, seed: u64) -> Result<Self, BoxError> {
        let opened = Instant::now();
        let floor = Arc::new(Floor {
            library: Library::load(),
            opened,
            length,
            dice: Mutex::new(fastrand::Rng::with_seed(seed)),
        });
        let ms = Duration::from_millis;
        let manners = [
            (FREE_SLOW, Manner { median: ms(180), sigma: 0.5, limit: 40.0, slots: 16 }),
            (PAID_FAST, Manner { median: ms(40), sigma: 0.3, limit: f64::INFINITY, slots: 8 }),
            (METERED, Manner { median: ms(80), sigma: 0.4, limit: 60.0, slots: 16 }),
        ];
        let mut addresses = HashMap::new();
        for (name, manner) in manners {
            addresses.insert(name, polite_source(name, manner, &floor)?);
        }
        let flaky = Manner { median: ms(110), sigma: 0.6, limit: f64::INFINITY, slots: 16 };
        addresses.insert(FREE_FLAKY, raw_source(flaky, &floor)?);
        Ok(Self { addresses, opened })
    }

    pub(crate) fn addresses(&self) -> HashMap<&'static str, SocketAddr> {
        self.addresses.clone()
    }
}

impl Floor {
    fn hour(&self) -> f64 {
        self.opened.elapsed().as_secs_f64() / self.length.as_secs_f64()
    }

    fn roll(&self) -> f64 {
        self.dice.lock().map_or(0.5, |mut dice| dice.f64())
    }

    /// Log-normal, as latencies are.
    fn latency(&self, manner: Manner) -> Duration {
        let normal = (-2.0 * self.roll().max(1e-12).ln()).sqrt() * (std::f64::consts::TAU * self.roll()).cos();
        manner.median.mul_f64((manner.sigma * normal).exp())
    }

    fn body(&self, url: &str) -> Option<String> {
        let mut parts = url.trim_start_matches("/bars/").split('/');
        let name = parts.next()?;
        let symbol = SYMBOLS.iter().position(|known| *known == name)?;
        Some(self.library.window(symbol, parts.next()?.parse().ok()?))
    }
}

/// Tokens of a source's own limit.
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn take(&mut self, limit: f64) -> bool {
        let elapsed = self.filled.elapsed().as_secs_f64();
        self.filled = Instant::now();
        self.tokens = (self.tokens + elapsed * limit).min(limit / 2.0);
        let is_free = self.tokens >= 1.0 || limit.is_infinite();
        self.tokens -= f64::from(u8::from(is_free && limit.is_finite()));
        is_free
    }
}

/// A source on `tiny_http`: slow or limited, but it speaks HTTP to the end.
fn polite_source(name: &'static str, manner: Manner, floor: &Arc<Floor>) -> Result<SocketAddr, BoxError> {
    let server = Arc::new(tiny_http::Server::http("127.0.0.1:0")?);
    let address = server.server_addr().to_ip().ok_or("no address")?;
    let bucket = Arc::new(Mutex::new(Bucket { tokens: manner.limit / 2.0, filled: Instant::now() }));
    for _ in 0..manner.slots {
        let (server, floor, bucket) = (Arc::clone(&server), Arc::clone(floor), Arc::clone(&bucket));
        thread::spawn(move || {
            for request in server.incoming_requests() {
                let hour = floor.hour();
                if LINE_DOWN.contains(&hour) {
                    drop(request.into_writer());
                    continue;
                }
                let has_token = bucket.lock().is_ok_and(|mut bucket| bucket.take(manner.limit));
                let answer = if !has_token {
                    let retry = tiny_http::Header::from_bytes("Retry-After", "1");
                    let response = tiny_http::Response::from_string("too many").with_status_code(429);
                    retry.map(|header| response.with_header(header)).map_err(|()| "header")
                } else if let Some(body) = floor.body(request.url()) {
                    let slow = if name == PAID_FAST && PAID_SLOW.contains(&hour) { 6 } else { 1 };
                    thread::sleep(floor.latency(manner) * slow);
                    Ok(tiny_http::Response::from_string(body))
                } else {
                    Ok(tiny_http::Response::from_string("no such symbol").with_status_code(404))
                };
                // A client that has gone is no fault of the source.
                drop(answer.map(|answer| request.respond(answer)));
            }
        });
    }
    Ok(address)
}

/// A source on a bare listener: it cuts answers, hangs and spoils rows.
fn raw_source(manner: Manner, floor: &Arc<Floor>) -> Result<SocketAddr, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, floor) = (listener.local_addr()?, Arc::clone(floor));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let floor = Arc::clone(&floor);
            thread::spawn(move || drop(answer_raw(stream, manner, &floor)));
        }
    });
    Ok(address)
}

fn answer_raw(mut stream: TcpStream, manner: Manner, floor: &Floor) -> std::io::Result<()> {
    let mut request = [0; 2048];
    let length = stream.read(&mut request)?;
    let text = String::from_utf8_lossy(&request[..length]).into_owned();
    let body = text.split(' ').nth(1).and_then(|url| floor.body(url));
    let Some(body) = body else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let deed = deed(floor);
    if !matches!(deed, Deed::Fail | Deed::Drop) {
        thread::sleep(floor.latency(manner));
    }
    let body = if matches!(deed, Deed::Spoiled) { spoil(&body) } else { body };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    match deed {
        Deed::Answer | Deed::Spoiled => stream.write_all((head + &body).as_bytes()),
        Deed::Half => stream.write_all((head + &body[..body.len() / 2]).as_bytes()),
        Deed::Fail => stream.write_all(b"HTTP/1.1 503 Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        Deed::TooMany => stream.write_all(b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        // Longer than any client waits.
        Deed::Hang => {
            thread::sleep(Duration::from_secs(10));
            Ok(())
        }
        Deed::Drop => stream.shutdown(Shutdown::Both),
    }
}

fn deed(floor: &Floor) -> Deed {
    let (hour, roll) = (floor.hour(), floor.roll());
    if LINE_DOWN.contains(&hour) {
        return Deed::Drop;
    }
    if FLAKY_OUTAGE.contains(&hour) {
        return if roll < 0.6 { Deed::Fail } else { Deed::Hang };
    }
    match roll {
        r if r < 0.03 => Deed::Fail,
        r if r < 0.05 => Deed::Half,
        r if r < 0.08 => Deed::Spoiled,
        r if r < 0.085 => Deed::Hang,
        r if r < 0.09 => Deed::TooMany,
        _ => Deed::Answer,
    }
}
