//! UDP ports for sockets that one connection has for itself: any free ones, or
//! those of a range that somebody opened in a firewall.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::num::NonZeroU16;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// UDP ports from one to another, both among them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortRange {
    low: NonZeroU16,
    high: NonZeroU16,
}

/// Why a text is no range of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PortRangeError {
    /// Not two ports.
    #[error("write it like 40000-40031")]
    Form,
    /// The second is not above the first: one port is for what others begin.
    #[error("the second port must be above the first: one is shared, and more are needed")]
    Order,
}

impl FromStr for PortRange {
    type Err = PortRangeError;

    fn from_str(text: &str) -> Result<Self, PortRangeError> {
        let (low, high) = text.split_once('-').ok_or(PortRangeError::Form)?;
        let port = |text: &str| text.trim().parse().map_err(|_| PortRangeError::Form);
        let (low, high) = (port(low)?, port(high)?);
        if low >= high {
            return Err(PortRangeError::Order);
        }
        Ok(Self { low, high })
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.low, self.high)
    }
}

/// Every port of the range is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no UDP port of {0} is free; a data channel takes one, and one more with a TURN server")]
pub(super) struct UsedUp(PortRange);

/// Gives out ports.
pub(super) struct Ports {
    range: Option<PortRange>,
    given: Mutex<Given>,
}

#[derive(Default)]
struct Given {
    ports: BTreeSet<u16>,
    /// The last one: a port that just became free may still be sent to.
    last: u16,
}

/// A port that nobody else of this process has meanwhile.
pub(super) struct Taken {
    number: u16,
    ports: Arc<Ports>,
}

impl Ports {
    pub fn new(range: Option<PortRange>) -> Arc<Self> {
        let given = Mutex::default();
        Arc::new(Self { range, given })
    }

    /// A port that is free at all of these addresses; number 0, which is any,
    /// where there is no range.
    pub fn take(self: &Arc<Self>, addresses: &[IpAddr]) -> Result<Taken, UsedUp> {
        let Some(range) = self.range else {
            return Ok(self.taken(0));
        };
        let mut given = self.given();
        let (low, high) = (range.low.get(), range.high.get());
        let after = given.last.clamp(low, high);
        let mut numbers = (after..=high).skip(1).chain(low..=after);
        let free = |number: &u16| !given.ports.contains(number) && is_free(*number, addresses);
        let number = numbers.find(free).ok_or(UsedUp(range))?;
        given.ports.insert(number);
        given.last = number;
        Ok(self.taken(number))
    }

    /// This one is not to be given out.
    pub fn reserve(self: &Arc<Self>, number: u16) -> Taken {
        self.given().ports.insert(number);
        self.taken(number)
    }

    fn taken(self: &Arc<Self>, number: u16) -> Taken {
        let ports = Arc::clone(self);
        Taken { number, ports }
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    pub const fn number(&self) -> u16 {
        self.number
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.ports.given().ports.remove(&self.number);
    }
}

/// Whether no other process has the port at any of these addresses. A family
/// of addresses that the machine lacks is no obstacle.
fn is_free(number: u16, addresses: &[IpAddr]) -> bool {
    addresses.iter().all(|address| {
        let bound = UdpSocket::bind(SocketAddr::new(*address, number));
        bound.is_ok() || UdpSocket::bind(SocketAddr::new(*address, 0)).is_err()
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::LOCALHOST)];

    #[test]
    fn ranges_are_read_as_people_write_them() {
        let range: PortRange = "40000-40031".parse().unwrap();
        assert_eq!(range.to_string(), "40000-40031");
        for (text, error) in [
            ("", PortRangeError::Form),
            ("40000", PortRangeError::Form),
            ("40000-", PortRangeError::Form),
            ("0-9", PortRangeError::Form),
            ("65000-65536", PortRangeError::Form),
            ("40000..40031", PortRangeError::Form),
            ("40031-40000", PortRangeError::Order),
            ("40000-40000", PortRangeError::Order),
        ] {
            assert_eq!(text.parse::<PortRange>(), Err(error), "{text}");
        }
    }

    /// A range of four ports that are free now, and sockets on none of them.
    fn four() -> PortRange {
        loop {
            let found = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let low = found.local_addr().unwrap().port();
            let four = low.checked_add(3).map(|high| low + 1..=high);
            let free = |mut rest: std::ops::RangeInclusive<u16>| rest.all(|n| is_free(n, &HERE));
            if four.is_some_and(free) {
                return format!("{low}-{}", low + 3).parse().unwrap();
            }
        }
    }

    #[test]
    fn a_range_that_is_used_up_says_so_until_a_port_is_given_back() {
        let ports = Ports::new(Some(four()));
        let mut taken: Vec<_> = (0..4).map(|_| ports.take(&HERE).unwrap()).collect();
        let numbers: BTreeSet<_> = taken.iter().map(Taken::number).collect();
        assert_eq!(numbers.len(), 4);
        let error = ports.take(&HERE).err().unwrap();
        assert!(error.to_string().starts_with("no UDP port of "), "{error}");
        let back = taken.remove(2).number();
        assert_eq!(ports.take(&HERE).unwrap().number(), back);
    }

    #[test]
    fn a_port_of_another_process_is_left_alone() {
        let range = four();
        let ports = Ports::new(Some(range));
        let _others = UdpSocket::bind((Ipv4Addr::LOCALHOST, range.low.get() + 1)).unwrap();
        let _own = ports.reserve(range.low.get());
        let taken: Vec<_> = std::iter::from_fn(|| ports.take(&HERE).ok()).collect();
        assert_eq!(taken.len(), 2);
    }

    #[test]
    fn without_a_range_any_port_will_do() {
        assert_eq!(Ports::new(None).take(&HERE).unwrap().number(), 0);
    }
}
