//! Two connections become one: what comes on one goes out on the other, each way until its end.

use crate::listen::STACK;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

/// Bytes on the way at once.
const BUFFER: usize = 32 << 10;

/// Carries both ways until both are at their end, or one is broken. `first` was read from `client` already.
pub(crate) fn splice(client: TcpStream, server: TcpStream, first: &[u8]) {
    if (&server).write_all(first).is_err() {
        return;
    }
    let (Ok(from), Ok(to)) = (server.try_clone(), client.try_clone()) else { return };
    let back = thread::Builder::new().stack_size(STACK).spawn(move || carry(&from, &to));
    let Ok(back) = back else { return };
    carry(&client, &server);
    let _ = back.join();
}

/// One way. Its end is passed on; a break ends both ways, because nobody would notice otherwise.
fn carry(mut from: &TcpStream, mut to: &TcpStream) {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            Ok(read) if to.write_all(buffer.get(..read).unwrap_or_default()).is_ok() => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => {
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
                return;
            }
        }
    }
}
