//! Versions of compilers and of Node, as far as set-up compares them.

/// Major and minor number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl Version {
    /// Reads `20.19.4`, or `20.19`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        Some(Self(
            parts.next()?.parse().ok()?,
            parts.next()?.parse().ok()?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        let version = |text| Version::parse(text).unwrap();
        assert!(version("1.63.0") < version("1.100"));
        assert!(version("2.0.0-nightly") > version("1.100"));
        assert_eq!(version("20.19.4"), Version(20, 19));
        assert_eq!(Version::parse("v20"), None);
    }
}
