//! Forms of values.

use crate::Duration;
use serde_yaml::Value;
use std::net::IpAddr;

/// Form of the value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Text.
    Text,
    /// Text; a number or a boolean is taken as its text.
    Scalar,
    /// `true` or `false`.
    Bool,
    /// A whole number between two others.
    Integer(i64, i64),
    /// Any number.
    Number,
    /// A duration in Go's notation.
    Duration,
    /// A quantity of Kubernetes: text or a number.
    Quantity,
    /// A time of RFC 3339.
    Time,
    /// An IP address.
    Address,
    /// A range of IPv4 addresses.
    Range,
    /// One of some words.
    Choice(Vec<&'static str>),
    /// Anything.
    Any,
}

impl Form {
    /// Parses the form as the tables name it.
    pub(crate) fn parse(name: &'static str) -> Self {
        match name {
            "text" => Self::Text,
            "scalar" => Self::Scalar,
            "bool" => Self::Bool,
            "int32" | "int" => Self::Integer(i32::MIN.into(), i32::MAX.into()),
            "int64" => Self::Integer(i64::MIN, i64::MAX),
            "uint32" => Self::Integer(0, u32::MAX.into()),
            "uint64" => Self::Integer(0, i64::MAX),
            "uint8" => Self::Integer(0, u8::MAX.into()),
            "port" => Self::Integer(0, u16::MAX.into()),
            "number" => Self::Number,
            "duration" => Self::Duration,
            "quantity" => Self::Quantity,
            "time" => Self::Time,
            "address" => Self::Address,
            "range" => Self::Range,
            "any" => Self::Any,
            words => Self::Choice(words.split('|').collect()),
        }
    }

    /// What a value of this form is, for documentation and messages.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Text | Self::Scalar => "text".into(),
            Self::Bool => "true or false".into(),
            Self::Integer(0, 65535) => "a port number".into(),
            Self::Integer(..) => "a whole number".into(),
            Self::Number => "a number".into(),
            Self::Duration => "a duration such as 24h, 90m or 500ms".into(),
            Self::Quantity => "a quantity such as 100m or 1Gi".into(),
            Self::Time => "a time such as 2030-01-31T12:00:00Z".into(),
            Self::Address => "an IP address".into(),
            Self::Range => "an IPv4 range such as 10.0.2.0/24".into(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Any => "any value".into(),
        }
    }

    /// The value in its plain form, or what is wrong with it.
    pub(crate) fn normalize(&self, value: Value) -> Result<Value, String> {
        let wrong = || Err(format!("{} is not {}", describe_value(&value), self.describe()));
        let text = value.as_str();
        match self {
            Self::Any => Ok(value),
            Self::Text if text.is_some() => Ok(value),
            Self::Text => match scalar_text(&value) {
                Some(text) => Err(format!("{} is not text; put it in quotes: \"{text}\"", describe_value(&value))),
                None => wrong(),
            },
            Self::Scalar => scalar_text(&value).map_or_else(wrong, |text| Ok(text.into())),
            // YAML 1.1, which kubeadm reads, has more words for them.
            Self::Bool => match text {
                _ if value.is_bool() => Ok(value),
                Some("true" | "false") => {
                    Err(format!("{} is not a boolean; write it without quotes", describe_value(&value)))
                }
                Some("yes" | "Yes" | "YES" | "on" | "On" | "ON" | "True" | "TRUE") => Ok(true.into()),
                Some("no" | "No" | "NO" | "off" | "Off" | "OFF" | "False" | "FALSE") => Ok(false.into()),
                _ => wrong(),
            },
            Self::Integer(min, max) => match (value.as_i64(), text.map(str::parse::<i64>)) {
                (Some(number), _) if (*min..=*max).contains(&number) => Ok(value),
                (None, Some(Ok(number))) => {
                    Err(format!("{} is not a number; write {number} without quotes", describe_value(&value)))
                }
                (Some(_), _) if (*min, *max) == (0, 65535) => {
                    Err(format!("{} is not a port number; choose one of 1 to 65535", describe_value(&value)))
                }
                _ => wrong(),
            },
            Self::Number if value.is_number() => Ok(value),
            Self::Quantity if value.is_number() || text.is_some() => Ok(value),
            Self::Duration if text.is_some_and(is_parsed::<Duration>) => Ok(value),
            Self::Time if text.is_some_and(is_parsed::<jiff::Timestamp>) => Ok(value),
            Self::Address if text.is_some_and(is_parsed::<IpAddr>) => Ok(value),
            Self::Range if text.is_some_and(is_parsed::<ipnet::Ipv4Net>) => Ok(value),
            Self::Number | Self::Quantity | Self::Duration | Self::Time | Self::Address | Self::Range => wrong(),
            Self::Choice(words) => match text {
                Some(text) if words.contains(&text) => Ok(value),
                Some(text) => Err(match crate::names::nearest_name(text, words) {
                    Some(near) => format!("{text:?} is not known; did you mean {near}?"),
                    None => format!("{text:?} is not {}", self.describe()),
                }),
                None => wrong(),
            },
        }
    }
}

fn is_parsed<T: std::str::FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

/// The text of a scalar; `None` for a list or a mapping.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The value as a user sees it.
pub(crate) fn describe_value(value: &Value) -> String {
    match value {
        Value::Sequence(_) => "a list".into(),
        Value::Mapping(_) => "a mapping of fields".into(),
        Value::String(text) if text.chars().count() > 60 => "the text".into(),
        Value::String(text) => format!("{text:?}"),
        other => scalar_text(other).unwrap_or_else(|| "null".into()),
    }
}
