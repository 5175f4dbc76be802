//! Stands between clients and a broker, and cuts a connection when a certain request comes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Requests that do not get through: their API key, and what their bytes hold.
type Cut = Arc<Mutex<Option<(i16, &'static str)>>>;

/// Where a broker is to say that it is.
pub struct Cutting {
    listener: TcpListener,
    cut: Cut,
}

impl Cutting {
    pub fn bind() -> Self {
        Self::bind_at("127.0.0.1:0")
    }

    pub fn bind_at(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        Self {
            listener,
            cut: Cut::default(),
        }
    }

    pub fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    /// Passes everything on to `broker` for as long as the test runs, but for what is cut by then.
    pub fn start(&self, broker: &str) {
        let (broker, cut) = (broker.to_owned(), Arc::clone(&self.cut));
        let listener = self.listener.try_clone().unwrap();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&broker) else {
                    continue;
                };
                let (mut answers, mut back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || drop(std::io::copy(&mut answers, &mut back)));
                let cut = Arc::clone(&cut);
                std::thread::spawn(move || pass_on(client, server, &cut));
            }
        });
    }

    /// Requests with this API key whose bytes hold this do not get through from now on.
    pub fn cut(&self, api: i16, holds: &'static str) {
        *self.cut.lock().unwrap() = Some((api, holds));
    }
}

fn pass_on(mut client: TcpStream, mut server: TcpStream, cut: &Cut) {
    let mut length = [0; 4];
    while client.read_exact(&mut length).is_ok() {
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        if client.read_exact(&mut frame).is_err() {
            break;
        }
        let is_cut = cut.lock().unwrap().is_some_and(|(api, holds)| {
            let mut parts = frame.windows(holds.len());
            frame.starts_with(&api.to_be_bytes()) && parts.any(|part| part == holds.as_bytes())
        });
        if is_cut || server.write_all(&length).and(server.write_all(&frame)).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
