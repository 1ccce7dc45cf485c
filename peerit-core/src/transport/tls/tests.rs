//! Keys of the right kind, and of others.

use futures_util::future::join;
use futures_util::{AsyncReadExt, AsyncWriteExt};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use rustls::crypto::ring::sign::any_ecdsa_type;
use rustls::pki_types::PrivateKeyDer;

use super::super::pipe::pipe;
use super::*;
use crate::runtime::testing::block_on;

type Handshake = Result<Connection, TransportError>;

fn tls(identity: &Identity) -> Tls {
    Tls::new(identity).unwrap()
}

/// A node whose key is not of the kind that peers have.
fn ecdsa() -> Tls {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
    let der = PrivateKeyDer::Pkcs8(pkcs8.unwrap().as_ref().to_vec().into());
    let key = any_ecdsa_type(&der).unwrap();
    let spki = key.public_key().unwrap().to_vec();
    Tls::with_key(Arc::new(CertifiedKey::new(vec![spki.into()], key))).unwrap()
}

fn address() -> SocketAddr {
    "192.0.2.1:7".parse().unwrap()
}

async fn connect(dialler: &Tls, answerer: &Tls) -> (Handshake, Handshake) {
    let (here, there) = pipe();
    let dial = async {
        let mut connection = dialler.dial(Box::new(here), address()).await?;
        // In TLS 1.3 the dialling side is done before its own key was looked at: the verdict comes with
        // the next byte.
        connection.stream.flush().await?;
        connection.stream.read_exact(&mut [0; 1]).await?;
        Ok(connection)
    };
    let answer = async {
        let mut connection = answerer.answer(Box::new(there), address()).await?;
        connection.stream.write_all(&[0]).await?;
        connection.stream.flush().await?;
        Ok(connection)
    };
    join(dial, answer).await
}

#[test]
fn both_sides_learn_who_the_other_is() {
    let [one, two] = [1, 2].map(|seed| Identity::from_seed(&[seed; 32]).unwrap());
    block_on(async {
        let (here, there) = connect(&tls(&one), &tls(&two)).await;
        let (here, there) = (here.unwrap(), there.unwrap());
        assert_eq!(here.peer_id, two.peer_id());
        assert_eq!(there.peer_id, one.peer_id());
        assert_eq!(here.binding, there.binding);

        let (again, _) = connect(&tls(&one), &tls(&two)).await;
        assert_ne!(again.unwrap().binding, here.binding, "each connection has its own");
    });
}

#[test]
fn other_kinds_of_keys_are_refused() {
    let identity = Identity::from_seed(&[1; 32]).unwrap();
    block_on(async {
        let (here, there) = connect(&ecdsa(), &tls(&identity)).await;
        assert!(matches!(there, Err(TransportError::Tls(_))));
        assert!(here.is_err());
        let (here, there) = connect(&tls(&identity), &ecdsa()).await;
        assert!(here.is_err() && there.is_err());
    });
}

/// A node that shows the victim's key and signs with its own.
pub(in crate::transport) fn thief(own: &Identity, victim: &Identity) -> Tls {
    let key = any_eddsa_type(&PrivatePkcs8KeyDer::from(own.to_pkcs8())).unwrap();
    let stolen = [SPKI_HEAD.as_slice(), &victim.peer_id().0].concat();
    Tls::with_key(Arc::new(CertifiedKey::new(vec![stolen.into()], key))).unwrap()
}

#[test]
fn a_key_of_somebody_else_does_not_help() {
    let [own, victim] = [1, 2].map(|seed| Identity::from_seed(&[seed; 32]).unwrap());
    let thief = thief(&own, &victim);
    let honest = tls(&Identity::from_seed(&[3; 32]).unwrap());
    block_on(async {
        let (_, there) = connect(&thief, &honest).await;
        assert!(matches!(there, Err(TransportError::Tls(Error::InvalidCertificate(_)))));
        let (here, _) = connect(&honest, &thief).await;
        assert!(matches!(here, Err(TransportError::Tls(Error::InvalidCertificate(_)))));
    });
}

#[test]
fn another_protocol_is_refused() {
    let identity = Identity::from_seed(&[1; 32]).unwrap();
    for protocols in [vec![], vec![b"peerit/2".to_vec()]] {
        let mut other = tls(&identity);
        Arc::make_mut(&mut other.client).alpn_protocols = protocols.clone();
        Arc::make_mut(&mut other.server).alpn_protocols = protocols;
        block_on(async {
            let (_, there) = connect(&other, &tls(&identity)).await;
            assert!(matches!(there, Err(TransportError::Tls(_))));
            let (here, _) = connect(&tls(&identity), &other).await;
            assert!(here.is_err());
        });
    }
}

#[test]
fn only_the_exact_form_of_an_ed25519_key_is_a_peer_id() {
    let spki = [SPKI_HEAD.as_slice(), &[7; 32]].concat();
    assert_eq!(peer_id(&spki), Some(PeerId([7; 32])));
    assert!(RawKeys::check_key(&spki.clone().into()).is_ok());
    assert!(RawKeys::check_key(&spki[1..].into()).is_err());
    assert_eq!(peer_id(&spki[..43]), None);
    assert_eq!(peer_id(&[spki.as_slice(), &[0]].concat()), None);
    for index in 0..SPKI_HEAD.len() {
        let mut other = spki.clone();
        other[index] ^= 1;
        assert_eq!(peer_id(&other), None);
    }
}
