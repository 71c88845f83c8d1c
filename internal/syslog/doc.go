// Package syslog reads the head of a log line as syslog daemons write it:
// when, on which host, which program, which process, and the message that
// remains. In comes one line of text, out comes a Header whose strings are
// parts of that line.
//
// It reads RFC 3164 stamps ("Nov 23 12:00:00", with or without year and
// fraction), RFC 3339 and ISO 8601 stamps with any kind of zone, whole RFC
// 5424 lines, and the additions of BSD ("<mail.info>"), Solaris
// ("[ID 197553 mail.info]") and AIX ("mail:info"). Which form a line has is
// found line by line, so forms may be mixed.
//
// A line whose stamp cannot be read gives no Header; no part is guessed. The
// package does no I/O, reads no clock and allocates nothing per line.
package syslog
