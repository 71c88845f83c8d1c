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
// # What the log tells
//
// Every tag INSTANCE/PROGRAM or INSTANCE/SERVICE/PROGRAM of a known Postfix
// program is read; the instance is what stands before the first slash. Lines
// of policy services and other neighbours are ignored. The texts follow the
// msg_info, msg_warn and log_adhoc calls of the Postfix source.
//
//   - Event.Delays are the seconds before the queue manager, in it, for the
//     connection, and for the transmission (delays=a/b/c/d).
//   - A session that broke gives two disconnect events: the line "lost
//     connection", "timeout" or "too many errors" has Reason and Stage, the
//     "disconnect from" line after it the counts of commands in Text. Only the
//     latter comes once for every session; its Reason is quit when the client
//     said so, else empty. With postscreen these are HANGUP and DISCONNECT.
//   - NOQUEUE is an empty QueueID.
//   - Rejects, holds and checks that only warn: Reason is the action as logged
//     where it is not a plain reject or hold ("milter-reject", "discard",
//     "reject_warning"). Actions that refuse nothing are warnings with severity
//     info, as are the remarks of the delivery agents on single servers.
//   - A failed test of postscreen is a warning with the test in Reason; the
//     refusal, if there is one, is a reject of its own.
//   - Address verification probes (status=deliverable, undeliverable) are
//     statistics, never deliveries. SOFTBOUNCE is deferred.
//   - "status=expired, returned to sender" and "status=deferred (bounce failed)"
//     speak of all recipients that are left: To is empty, no delay is known.
//   - Origin: RefID is the queue id before a content filter or a requeue
//     (orig_queue_id, orig_id); the client before a filter stands in Text.
//   - SASL in a client= line gives an auth event besides the origin.
//   - The scripts' "starting the Postfix mail system" has role other: master
//     tells of its own start.
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
