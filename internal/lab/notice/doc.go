// Package notice writes the notifications of the practice MTA (RFC 3464): mail that was
// returned, and mail that waits. A message and what happened to its recipients
// come in; a message in the queue of the process channel goes out. A
// notification has no sender, and none is ever written about a notification.
package notice
