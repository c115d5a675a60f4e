//! What the tests have in common; not each needs all of it.
#![allow(dead_code)]

use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use feedbackd::*;

/// A daemon in a folder of its own, which can be stopped and started again.
pub struct Daemon {
    pub folder: PathBuf,
    process: Option<Child>,
}

impl Daemon {
    pub fn new() -> Daemon {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("feedbackd-rs-{}-{number}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        Daemon {
            folder,
            process: None,
        }
    }

    pub fn started() -> Daemon {
        let mut daemon = Daemon::new();
        daemon.start();
        daemon
    }

    /// Returns when it listens.
    pub fn start(&mut self) {
        let program = env::var("FEEDBACKD_PROGRAM").unwrap_or(
            concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../.build/release/feedbackd"
            )
            .into(),
        );
        let mut process = Command::new(&program)
            .arg("--socket")
            .arg(self.socket())
            .arg(format!(
                "--store=sqlite:{}",
                self.folder.join("feedback.db").display()
            ))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} cannot be started: {error}"));
        let mut output = BufReader::new(process.stderr.take().unwrap());
        self.process = Some(process);
        let mut line = String::new();
        while !line.contains("feedbackd: listening on ") {
            line.clear();
            assert_ne!(
                output.read_line(&mut line).unwrap(),
                0,
                "the daemon ended early"
            );
        }
        thread::spawn(move || output.read_to_string(&mut String::new()));
    }

    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let id = process.id().to_string();
            assert!(Command::new("kill").arg(id).status().unwrap().success());
            assert!(process.wait().unwrap().success());
        }
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// How many clients are connected.
    pub fn connections(&self) -> usize {
        let socket = self.socket();
        let rows = fs::read_to_string("/proc/net/unix").unwrap();
        rows.lines()
            .filter(|row| {
                // The sixth column is the socket's state (3: connected), the last its path.
                let columns: Vec<&str> = row.split_whitespace().collect();
                columns.len() == 8 && columns[5] == "03" && columns[7] == socket.to_str().unwrap()
            })
            .count()
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    pub fn client(&self) -> Client {
        Client::new(self.socket())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Waits for what nobody tells.
pub fn eventually(condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(
            begin.elapsed() < Duration::from_secs(120),
            "it never came true"
        );
        thread::sleep(Duration::from_millis(1));
    }
}

pub fn session(session_id: &str) -> AddFeedbackRequest {
    AddFeedbackRequest {
        session_id: session_id.into(),
        ..Default::default()
    }
}

pub fn code<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Code {
    outcome.unwrap_err().code
}
