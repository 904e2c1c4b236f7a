//! A loopback server, and the browser that loads its page.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tiny_http::{Method, Request, Response, Server};

use super::Outcome;

/// The time that the browser has for everything: a software adapter compiles for minutes.
const DEADLINE: Duration = Duration::from_secs(1200);

/// The time that it has until it asks for the page.
const START: Duration = Duration::from_secs(120);

/// What a check found in the browser.
pub(crate) struct Check {
    pub name: String,
    pub found: Value,
    pub seconds: f64,
}

/// What the page sent.
#[derive(Default)]
pub(crate) struct Session {
    /// True if the browser asked for the page.
    pub started: bool,
    pub checks: Vec<Check>,
    pub checkpoint: Option<Vec<u8>>,
    /// What the browser lacks.
    lacks: Option<String>,
    /// The reason if not all checks were run.
    pub stopped: Option<String>,
}

/// A browser with a profile of its own; ended when it is dropped.
struct Browser {
    child: Child,
    profile: PathBuf,
}

impl Browser {
    fn open(program: &str, address: &str) -> Outcome<Self> {
        let profile = std::env::temp_dir().join(format!("wgrad-web-{}", std::process::id()));
        let mut command = Command::new(program);
        command.args([
            "--headless=new",
            "--no-sandbox",
            "--enable-unsafe-webgpu",
            "--use-webgpu-adapter=swiftshader",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ]);
        command.arg(format!("--user-data-dir={}", profile.display())).arg(address);
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Ok(Self { child: child.map_err(|error| format!("{program}: {error}"))?, profile })
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Nothing is lost if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// Serves the page until it is done, or the deadline.
pub(crate) fn run(page: &Path, program: &str, native: &[u8], only: &str) -> Outcome<Session> {
    let server = Server::http("127.0.0.1:0").map_err(|error| error.to_string())?;
    let port = server.server_addr().to_ip().ok_or("the server has no port")?.port();
    let address = format!("http://127.0.0.1:{port}/?only={}", only.replace(' ', "%20"));
    let browser = Browser::open(program, &address)?;
    let mut session = Session::default();
    let begin = Instant::now();
    loop {
        let deadline = if session.started { DEADLINE } else { START };
        let Some(left) = deadline.checked_sub(begin.elapsed()) else {
            let seconds = deadline.as_secs();
            session.stopped = Some(format!("the browser was not done within {seconds} s"));
            break;
        };
        let Some(mut request) = server.recv_timeout(left)? else { continue };
        session.started = true;
        let is_last = session.take(&mut request)?;
        answer(request, page, native);
        if is_last {
            break;
        }
    }
    drop(browser);
    Ok(session)
}

impl Session {
    /// What the tests could not run for want of, if they could not.
    pub(crate) fn missing(&self) -> Option<String> {
        if !self.started {
            return Some("a browser that asks for the page".to_string());
        }
        self.lacks.clone()
    }

    /// Takes what a request tells; returns whether it is the last.
    fn take(&mut self, request: &mut Request) -> Outcome<bool> {
        if *request.method() != Method::Post {
            return Ok(false);
        }
        let mut body = Vec::new();
        request.as_reader().read_to_end(&mut body)?;
        match request.url() {
            "/found" => {
                let mut told: Value = serde_json::from_slice(&body)?;
                let name = told["name"].as_str().unwrap_or_default().to_string();
                let seconds = told["seconds"].as_f64().unwrap_or_default();
                eprintln!("  {name}: {seconds:.1} s");
                self.checks.push(Check { name, found: told["found"].take(), seconds });
            }
            "/checkpoint" => self.checkpoint = Some(body),
            "/lacks" => {
                self.lacks = Some(String::from_utf8_lossy(&body).into_owned());
                return Ok(true);
            }
            "/panic" => {
                self.stopped = Some(String::from_utf8_lossy(&body).into_owned());
                return Ok(true);
            }
            "/done" => return Ok(true),
            _ => {}
        }
        Ok(false)
    }
}

fn answer(request: Request, page: &Path, native: &[u8]) {
    // A browser that has gone is noticed by the deadline.
    let _ = match (request.method(), request.url()) {
        (Method::Post, _) => request.respond(Response::empty(200)),
        (_, "/native.safetensors") => request.respond(Response::from_data(native)),
        _ => wgrad_serve::answer(request, page),
    };
}
