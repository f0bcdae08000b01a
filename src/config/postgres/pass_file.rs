//! The file of passwords of libpq: lines of `host:port:database:user:password`.
//!
//! This module must not open files.

/// Returns the password of the first line that is for a login.
pub(super) fn find(
    text: &str,
    host: &str,
    port: u16,
    database: &str,
    user: &str,
) -> Option<String> {
    // A Unix socket may also be called localhost.
    let hosts = [host, if host.starts_with('/') { "localhost" } else { host }];
    let port = port.to_string();
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut fields = Fields(line);
        let [host, line_port, name, role] = [(); 4].map(|()| fields.next_field());
        let is_for = |field: Option<String>, value: &str| {
            field.is_some_and(|field| field == "*" || field == value)
        };
        let is_host = hosts.into_iter().any(|name| is_for(host.clone(), name));
        let is_match =
            is_host && is_for(line_port, &port) && is_for(name, database) && is_for(role, user);
        is_match.then(|| fields.next_field()).flatten()
    })
}

/// The fields of a line. A backslash takes the meaning from the character behind it.
struct Fields<'a>(&'a str);

impl Fields<'_> {
    fn next_field(&mut self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let mut field = String::new();
        let mut characters = self.0.chars();
        while let Some(character) = characters.next() {
            match character {
                ':' => break,
                '\\' => field.extend(characters.next()),
                _ => field.push(character),
            }
        }
        self.0 = characters.as_str();
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<String> {
        find(text, "db1", 5433, "status", "writer")
    }

    #[test]
    fn the_first_line_for_a_login_has_its_password() {
        for (text, password) in [
            ("db1:5433:status:writer:one", Some("one")),
            ("*:*:*:*:any", Some("any")),
            ("db2:*:*:*:two\ndb1:*:*:*:one\n*:*:*:*:any\n", Some("one")),
            ("#db1:*:*:*:comment\n*:*:*:*:any", Some("any")),
            (r"*:*:*:*:a\:b\\c", Some(r"a:b\c")),
            ("*:*:*:*:one:two", Some("one")),
            ("*:*:*:*:with \r\n", Some("with ")),
            ("db1:5432:status:writer:one", None),
            ("db1:5433:other:writer:one", None),
            ("db1:5433:status:other:one", None),
            ("db1:5433:status:writer", None),
            ("db1:5433:status:writer:", None),
            ("", None),
            ("nothing", None),
        ] {
            assert_eq!(found(text).as_deref(), password, "{text:?}");
        }
    }

    #[test]
    fn a_socket_is_found_by_its_folder_and_as_localhost() {
        for text in ["/run/postgresql:5432:d:u:one", "localhost:5432:d:u:one"] {
            assert_eq!(find(text, "/run/postgresql", 5432, "d", "u").as_deref(), Some("one"));
        }
    }
}
