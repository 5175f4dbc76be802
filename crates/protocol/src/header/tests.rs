use super::*;
use kafka_protocol::messages::RequestHeader as CrateHeader;
use kafka_protocol::protocol::{Encodable, StrBytes};

fn header_of(frame: &[u8]) -> Result<Incoming, HeaderError> {
    decode_request_header(Bytes::copy_from_slice(frame))
}

#[test]
fn reads_what_the_message_crate_writes() {
    for (key, version, header_version) in [
        (3, 8, 1),
        (3, 9, 2),
        (18, 0, 1),
        (18, 4, 2),
        (0, 13, 2),
        (60, 0, 2),
    ] {
        for client_id in [None, Some(""), Some("a-client")] {
            let theirs = CrateHeader::default()
                .with_request_api_key(key)
                .with_request_api_version(version)
                .with_correlation_id(-77)
                .with_client_id(client_id.map(StrBytes::from_static_str));
            let mut frame = BytesMut::new();
            theirs.encode(&mut frame, header_version).expect("encode");
            frame.put_slice(b"body");
            let Ok(Incoming::Request(header, body)) = decode_request_header(frame.freeze()) else {
                panic!("{key} v{version}");
            };
            assert_eq!(
                (header.api_key, header.api_version, header.correlation_id),
                (key, version, -77)
            );
            assert_eq!(header.client_id.as_deref(), client_id);
            assert_eq!(&body[..], b"body");
        }
    }
}

#[test]
fn client_id_need_not_be_utf8() {
    let Ok(Incoming::Request(header, body)) = header_of(b"\0\x03\0\0\0\0\0\x05\0\x02\xffx\0\0\0\0") else {
        panic!("refused");
    };
    assert_eq!(header.client_id.as_deref(), Some("\u{fffd}x"));
    assert_eq!(body.len(), 4);
}

#[test]
fn unknown_tags_in_the_header_are_skipped() {
    let frame = b"\0\x03\0\x09\0\0\0\x05\xff\xff\x02\x05\x01z\x07\0rest";
    let Ok(Incoming::Request(_, body)) = header_of(frame) else {
        panic!("refused")
    };
    assert_eq!(&body[..], b"rest");
}

#[test]
fn every_cut_header_is_an_error() {
    let whole = b"\0\x03\0\x09\0\0\0\x05\0\x01c\x01\x05\x01z";
    assert!(header_of(whole).is_ok());
    for cut in 0..whole.len() {
        assert_eq!(header_of(&whole[..cut]), Err(HeaderError::Malformed), "{cut}");
    }
    assert_eq!(
        header_of(b"\0\x03\0\0\0\0\0\x05\xff\xfe"),
        Err(HeaderError::Malformed)
    );
}

#[test]
fn what_is_not_served_closes_but_api_versions_is_answered() {
    for (key, version) in [(7i16, 0i16), (3, 14), (3, -1), (0, 2), (-1, 0), (1, 3)] {
        let mut frame = BytesMut::new();
        frame.put_i16(key);
        frame.put_i16(version);
        frame.put_slice(&[0, 0, 0, 1, 0xff, 0xff, 0]);
        let error = HeaderError::NotServed {
            api_key: key,
            api_version: version,
        };
        assert_eq!(header_of(&frame), Err(error));
    }
    let Ok(Incoming::UnsupportedApiVersions(header)) = header_of(b"\0\x12\0\x05\0\0\0\x09\xff\xff\0junk")
    else {
        panic!("not answered");
    };
    assert_eq!((header.api_version, header.correlation_id), (5, 9));
    assert!(matches!(
        header_of(b"\0\x12\xff\xff\0\0\0\x09\xff\xff"),
        Ok(Incoming::UnsupportedApiVersions(_))
    ));
}
