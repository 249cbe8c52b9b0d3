//! A name server for the server's network (RFC 1035): names of the rules are here, no other name exists. No question goes any further, so
//! nothing can be told to anybody by asking for a name.

use crate::listen::STACK;
use crate::log;
use crate::settings::Settings;
use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::thread;

/// The port of name servers.
const PORT: u16 = 53;
/// Seconds for which an answer holds. Nothing changes while the server lives.
const TTL: u32 = 60;
/// Types of records.
const A: u16 = 1;
const AAAA: u16 = 28;
/// Answers.
const NO_ERROR: u8 = 0;
const FORMAT_ERROR: u8 = 1;
const NO_SUCH_NAME: u8 = 3;
const NOT_IMPLEMENTED: u8 = 4;

/// Answers questions on the inner address, in a thread.
pub(crate) fn listen(settings: &Arc<Settings>) -> Result<(), String> {
    let at = settings.inside;
    let fail = |error: std::io::Error| format!("listen on {at}:{PORT}: {error}");
    let socket = UdpSocket::bind((at, PORT)).map_err(fail)?;
    let settings = Arc::clone(settings);
    let serve = move || {
        let mut buffer = [0; 512];
        loop {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
            if let Some(answer) = answer(&settings, buffer.get(..length).unwrap_or_default()) {
                // Who has gone needs no answer.
                let _ = socket.send_to(&answer, from);
            }
        }
    };
    thread::Builder::new().stack_size(STACK).spawn(serve).map(drop).map_err(fail)
}

/// The answer to a question; nothing to what is none, so that nobody can be made to answer himself.
fn answer(settings: &Settings, message: &[u8]) -> Option<Vec<u8>> {
    let (header, rest) = message.split_at_checked(12)?;
    let [id_high, id_low, flags, _, count_high, count_low, ..] = header else { return None };
    if flags & 0x80 != 0 {
        return None;
    }
    let opcode = flags & 0x78;
    let mut reply =
        vec![*id_high, *id_low, 0x80 | opcode | 0x04 | (flags & 0x01), 0x80, 0, 0, 0, 0, 0, 0, 0, 0];
    let question = question(rest).filter(|_| (*count_high, *count_low) == (0, 1));
    let code = match &question {
        _ if opcode != 0 => NOT_IMPLEMENTED,
        None => FORMAT_ERROR,
        Some(question) if settings.rules.knows(&question.name) => NO_ERROR,
        Some(question) => {
            log::line(&format!("refused: the name {} is not listed", question.name));
            NO_SUCH_NAME
        }
    };
    if let Some(byte) = reply.get_mut(3) {
        *byte |= code;
    }
    if let Some(question) = question {
        if let Some(byte) = reply.get_mut(5) {
            *byte = 1;
        }
        reply.extend_from_slice(question.bytes);
        let address = match (settings.inside, question.kind) {
            (IpAddr::V4(address), A) => address.octets().to_vec(),
            (IpAddr::V6(address), AAAA) => address.octets().to_vec(),
            // The name is there, and has no such record.
            _ => Vec::new(),
        };
        if code == NO_ERROR && !address.is_empty() {
            if let Some(byte) = reply.get_mut(7) {
                *byte = 1;
            }
            // The name is that of the question, which begins at byte 12.
            reply.extend_from_slice(&[0xc0, 12]);
            reply.extend_from_slice(&question.kind.to_be_bytes());
            reply.extend_from_slice(&1_u16.to_be_bytes());
            reply.extend_from_slice(&TTL.to_be_bytes());
            reply.extend_from_slice(&u16::try_from(address.len()).ok()?.to_be_bytes());
            reply.extend_from_slice(&address);
        }
    }
    Some(reply)
}

struct Question<'a> {
    name: String,
    kind: u16,
    /// As it came.
    bytes: &'a [u8],
}

fn question(bytes: &[u8]) -> Option<Question<'_>> {
    let mut name = String::new();
    let mut at = 0;
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        // Questions are not compressed, and labels have 63 bytes.
        if length > 63 || name.len() > 255 {
            return None;
        }
        let label = bytes.get(at..at + length)?;
        if !name.is_empty() {
            name.push('.');
        }
        name.extend(
            label.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '\u{fffd}' }),
        );
        at += length;
    }
    let kind: [u8; 2] = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(Question { name, kind: u16::from_be_bytes(kind), bytes: bytes.get(..at + 4)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let mut settings = Settings::default();
        for line in ["inside 10.9.0.2", "allow http api.example 443", "allow http *.wild.example 443"] {
            settings.add(line).unwrap();
        }
        settings
    }

    fn ask(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend_from_slice(label.as_bytes());
        }
        message.push(0);
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&[0, 1]);
        message
    }

    #[test]
    fn names_of_the_rules_are_here_and_no_other_exists() {
        let settings = settings();
        for name in ["api.example", "API.Example", "a.b.wild.example"] {
            let reply = answer(&settings, &ask(name, A)).unwrap();
            assert_eq!((&reply[..2], reply[3] & 15, reply[7]), ([7, 9].as_slice(), NO_ERROR, 1), "{name}");
            assert_eq!(&reply[reply.len() - 4..], [10, 9, 0, 2]);
            let reply = answer(&settings, &ask(name, AAAA)).unwrap();
            assert_eq!((reply[3] & 15, reply[7]), (NO_ERROR, 0));
        }
        for name in ["evil.example", "example", "wild.example", "data.api.example"] {
            let reply = answer(&settings, &ask(name, A)).unwrap();
            assert_eq!((reply[3] & 15, reply[7]), (NO_SUCH_NAME, 0), "{name}");
        }
    }

    #[test]
    fn what_is_no_question_gets_no_answer_or_an_error() {
        let settings = settings();
        let whole = ask("api.example", A);
        for cut in 0..whole.len() {
            let reply = answer(&settings, &whole[..cut]);
            assert!(reply.is_none_or(|reply| reply[3] & 15 == FORMAT_ERROR), "{cut}");
        }
        let mut reply = whole.clone();
        reply[2] |= 0x80;
        assert_eq!(answer(&settings, &reply), None);
        let mut status = whole;
        status[2] = 0x10;
        assert_eq!(answer(&settings, &status).unwrap()[3] & 15, NOT_IMPLEMENTED);
    }
}
