// Package maillog writes mail.log_current, as the transaction log of the Messaging Server
// looks (LOG_FORMAT 1 and 4). Records come in; one line each comes out, whole,
// whichever process writes.
package maillog
