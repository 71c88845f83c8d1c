// Package postfix reads Postfix: its configuration, its queues, its log and
// its processes. In goes what adapter.Host shows of the machine; out come
// instances, queue counts, queue listings, events and roles. Nothing is
// changed, and the only commands run are postconf (read-only) and, where the
// showq socket is not permitted, postqueue -j.
//
// Versions read: 2.3 to 3.10; measured on 3.7. The formats follow
// postconf(5) and master(5) for the configuration, showq(8) and postqueue(1)
// for listings, and the queue id rules under enable_long_queue_ids in
// postconf(5).
//
// # What the queue count can and cannot tell
//
// Count reads directory entries only: no file is opened and none is looked at
// with stat, so Bytes is always mta.UnknownBytes. The age comes from the
// queue ids: a long id holds the second in which the file was made. A short
// id holds no time, and the time of a queue file is that of its next attempt,
// not of its arrival. Therefore Oldest stays zero (unknown) for a queue in
// which one message has a short id; List gives the arrival of every message.
// A message that was requeued (postsuper -r) counts from its requeuing. The
// caller sets Queue.Time.
//
// # What a listing can and cannot tell
//
// The sender MAILER-DAEMON of a listing is the null sender and becomes "".
// The text of postqueue -p marks only active (*) and held (!) messages; all
// others are taken as deferred. Its reasons stand above the recipients to
// which they apply; a recipient of whom nothing is known yet, listed after
// such, gets the reason above it, as a person would read it. Its dates have
// neither year nor zone: see ReadList in the Adapter and listTime.
//
// # What the processes cannot tell
//
// A master in a container of this machine shows the paths of its container.
// When these are those of an instance outside, it is taken for a second
// master of that instance.
//
// # What Postfix cannot tell
//
// A stopped queue manager writes nothing; only the growth of incoming shows
// it. A master that was killed writes nothing either.
package postfix
