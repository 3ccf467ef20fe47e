//! Prometheus and Alertmanager as children, with the rules of `examples/monitoring` at sixty times their pace.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// Where the programs are.
pub(crate) struct Programs(PathBuf);

/// What a minute, an hour, a day and a week are here: the hour and longer shorter than a sixtieth, or nobody could
/// wait for it.
const PACE: [(&str, &str); 4] = [("1w", "60s"), ("1d", "10s"), ("1h", "20s"), ("30s", "500ms")];

impl Programs {
    /// By `FEEDGUARD_PROMETHEUS`, or beside what the path finds.
    pub(crate) fn find() -> Option<Self> {
        let folders = std::env::var_os("FEEDGUARD_PROMETHEUS").or_else(|| std::env::var_os("PATH"))?;
        std::env::split_paths(&folders)
            .find(|folder| ["prometheus", "promtool"].iter().all(|program| folder.join(program).is_file()))
            .map(Self)
            .filter(|found| found.alertmanager().is_some())
    }

    fn alertmanager(&self) -> Option<PathBuf> {
        let names = ["alertmanager", "prometheus-alertmanager"];
        names.iter().map(|name| self.0.join(name)).find(|path| path.is_file())
    }

    /// Runs promtool, which has to be content.
    pub(crate) fn promtool(&self, arguments: &[&str], input: &str) {
        let mut child = Command::new(self.0.join("promtool"))
            .args(arguments)
            .current_dir(rules_folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "promtool {arguments:?}: {said}");
        assert!(arguments != ["check", "metrics"] || said.trim().is_empty(), "promtool {arguments:?}: {said}");
        println!("promtool {}: clean", arguments.join(" "));
    }
}

pub(crate) fn rules_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/monitoring")
}

/// A child that ends with the test, however that ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Both, running.
pub(crate) struct Monitoring {
    _children: [Ended; 2],
    pub(crate) prometheus: String,
}

impl Monitoring {
    /// `target` is scraped; `hook` is told of alerts.
    pub(crate) fn start(programs: &Programs, target: &str, hook: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("live");
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        let rules = |name: &str| fs::read_to_string(rules_folder().join(name)).unwrap();
        for name in ["recording_rules.yml", "alert_rules.yml"] {
            write(name, &quick(&rules(name)));
        }
        let (prometheus, alertmanager) = (free_address(), free_address());
        let config = rules("prometheus.yml").replace(": 15s", ": 250ms");
        write("prometheus.yml", &config.replace("localhost:9184", target).replace("localhost:9093", &alertmanager));
        let config = rules("alertmanager.yml").replace("group_interval: 5m", "group_interval: 1s");
        write(
            "alertmanager.yml",
            &quick(&config.replace("10s", "200ms").replace("1d", "1m")).replace("localhost:9185", hook),
        );
        // See `.ci/prometheus`; where Alertmanager is installed it finds them by itself.
        let templates = programs.0.join("../share/prometheus/alertmanager");
        for template in fs::read_dir(templates).into_iter().flatten().flatten() {
            drop(fs::copy(template.path(), folder.join(template.file_name())));
        }
        let start = |program: PathBuf, arguments: &[String]| {
            let log = fs::File::create(folder.join(program.file_name().unwrap()).with_extension("log")).unwrap();
            let child =
                Command::new(program).args(arguments).current_dir(&folder).stdout(Stdio::null()).stderr(log).spawn();
            Ended(child.unwrap())
        };
        let children = [
            start(
                programs.0.join("prometheus"),
                &[
                    "--config.file=prometheus.yml".to_owned(),
                    "--storage.tsdb.path=data".to_owned(),
                    format!("--web.listen-address={prometheus}"),
                ],
            ),
            start(
                programs.alertmanager().unwrap(),
                &[
                    "--config.file=alertmanager.yml".to_owned(),
                    "--storage.path=alerts".to_owned(),
                    "--cluster.listen-address=".to_owned(),
                    format!("--web.listen-address={alertmanager}"),
                ],
            ),
        ];
        Self { _children: children, prometheus }
    }

    /// The data of an answer of Prometheus' API; `None` while it is not up.
    pub(crate) fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Option<Value> {
        let mut request = ureq::get(format!("http://{}/api/v1/{path}", self.prometheus));
        for (name, value) in parameters {
            request = request.query(*name, *value);
        }
        let text = request.call().ok()?.body_mut().read_to_string().ok()?;
        let answer: Value = serde_json::from_str(&text).ok()?;
        (answer["status"] == "success").then(|| answer["data"].clone())
    }
}

/// The same text with minutes as seconds.
pub(crate) fn quick(text: &str) -> String {
    let mut text = text.to_owned();
    for (real, here) in PACE {
        text = replace_durations(&text, real, here);
    }
    for minutes in 1..=60 {
        text = replace_durations(&text, &format!("{minutes}m"), &format!("{minutes}s"));
    }
    text
}

/// Replaces a duration where it is a word: in brackets, after an `offset`, as a value.
fn replace_durations(text: &str, real: &str, here: &str) -> String {
    let mut done = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(real) {
        let (before, after) = (rest[..at].chars().next_back(), rest[at + real.len()..].chars().next());
        let is_word = matches!(before, Some('[' | ' ')) && matches!(after, None | Some(']' | '\n' | ' ' | ')' | '{'));
        done += &rest[..at];
        done += if is_word { here } else { real };
        rest = &rest[at + real.len()..];
    }
    done + rest
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
