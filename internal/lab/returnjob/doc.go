// Package returnjob is the nightly job: it rotates mail.log_current, warns of mail that waits
// and returns what cannot be delivered (RFC 3464).
package returnjob
