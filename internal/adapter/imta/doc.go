// Package imta reads the MTA of Sun Java System, iPlanet and Oracle Messaging Server, and
// of its ancestor PMDF. In goes what adapter.Host shows of the machine; out come
// instances, queue counts, queue listings, events, roles and conditions.
// Nothing is changed, and no file of the queue is opened.
//
// # Where an instance is found
//
// At the directories where releases 5 to 8, SIMS and PMDF are installed, and at those
// before lib, bin or sbin of a running dispatcher or job_controller of root or of our own
// user; another user's is named in a note and not read, for whoever runs a program of
// that name could choose what is read. Queue and log are looked for below data and beside
// config, and where imta_tailor says. Read are imta.cnf (channels, logging, notices),
// dispatcher.cnf (services; "Dispatcher" in the reference), job_controller.cnf and
// option.dat; config.xml of a unified configuration is not: what is assumed then stands
// in Notes. The version is what "imsimta version" says. The daemons' logs get a new name
// at each start: the newest of each is a log source, a quiet one.
//
// # What the queue can and cannot tell
//
// A queue is a channel: its directory and the numbered ones in it. Files .HELD outside
// the channel hold are the queue "held", which is always there. The name of a file counts
// its attempts, so untried mail is told apart. Count looks at up to 5,000 files of a channel
// for age and size; with more, both are unknown and List has them. The age is that of
// the file: a message of which some recipients were served is written anew, so it may be
// older than it looks. Sender and recipients stand in the files alone, which are never
// opened: a listing has neither. The MTA's own count by destination ("imsimta qm
// messages") is read when it is given as a saved listing, and asked for only by Own.
//
// # What the MTA's own tools tell
//
// Own runs "imsimta qm counters show", "qm messages CHANNEL" and "process", found in
// sbin, bin or lib of the base, which need root or the MTA's own user; none of them
// changes anything. Counters are lossy, and may be below zero; they must be created
// after each start of the MTA, and an output without a channel says that they were not.
//
// # The formats of the log
//
// Read are mail.log_current, mail.log_yesterday, mail.log and connection.log in the
// formats LOG_FORMAT 1 to 6, line by line, so that a log in which the option was
// changed reads on; with a file name and a colon before, as grep prints them; and
// behind a syslog header (LOG_MESSAGES_SYSLOG), with a time of their own or without.
// Documented by the vendor (administration guides 2005Q4 and 6.3, "MTA Message and
// Connection Logs"; reference of the option log_format) are:
//
//   - formats 1 to 3: the fields up to the recipient, their order and that of the
//     optional ones. Which of these a site logs does not stand in the line: each is
//     known by its shape. An envelope id is known only between file and message id, the
//     queue time only after the transport, and sensitivity, priority and intermediate
//     address not at all: they stay in front of the diagnostic.
//   - format 4: elements en, co, he; the attributes and their names; that a reader must
//     expect new ones and any order.
//   - formats 5 and 6: that they are JSON and flat JSON, and that the attributes bear
//     the names of format 4. How they are nested is not documented. Read is any object
//     on one line: each member whose name is that of an attribute, or ends with one
//     after a sign (en.ts, en_ts), at any depth; a record with a direction (dr) is one
//     of a connection; one of a header line is known by the word he.
//
// Time is local, without zone: ParserConfig.Location. Lines name no instance: all are
// those of the first of ParserConfig.Instances, or where there are several of the one
// whose name or log name is the node (LOG_NODE) or the syslog tag; without any the
// instance is "imta".
//
// # What the log tells
//
// Event.Program is the channel that acted (the source channel), Event.Service and
// Event.Queue of an E record the channel that took the message; Event.Service of an
// inbound connection is its local port. Event.PID is the first part of the process id,
// which is hexadecimal; it needs LOG_PROCESS. The letters after the first of a code are
// a set: S is TLS, A authentication; others change nothing.
//
//	E         received, with PerRecipient: there is a record for each recipient
//	E         queued, from a channel that only works on mail (process, reprocess, conversion,
//	          defragment, hold, bitbucket): the message was counted before
//	E         notification and then queued, when the MTA made it: no sender, no sign of SMTP, and two
//	          message ids, or made by a store channel, or on its way to process. RefID is the
//	          notification's own queue id, MessageID that of the mail it is about
//	D         delivery, sent; of a channel that only works on mail: removed ("moved on")
//	Q, Z      delivery, deferred
//	R         delivery, bounced; expired when the text or the code x.4.7 says so
//	K         the same where there is such a text or code, a reply of class 5 or a connection that
//	          failed; else removed ("no notification"): deleted by hand, or not to be told of
//	W         notification, "delay": the sender was told that the message waits
//	J         reject; stage rcpt, mail without a recipient
//	B         reject, stage other; Text is the bad command
//	V         warning, info: a client left in the middle; one for each recipient so far
//	+ O, + C  connect, disconnect: the reason by the words of the diagnostic; none for a plain close
//	+ X       reject, stage connect
//	+ U       auth, by the reply: accepted for class 2. The A of a code gives no auth of its own
//	+ I       statistics
//	- X, - Y  warning, info: no connection was made. Each message has a Q record for it
//	- O, - C  nothing
//
// A file that is enqueued as .HELD gives a held event besides.
//
// QueueID is the part of the queue file's name that is the same at each attempt
// (LOG_FILENAME). Without it the message id stands in (LOG_MESSAGE_ID), which is also
// that of other copies of the message; a message that moves on keeps it, so that there
// are no removed events then. Without both it is empty: nothing can be joined and no
// queued events are given, but all is counted. The process id joins nothing: E and D
// have different ones. A message that goes to several channels, or on a channel marked
// single_sys to several hosts, is one file and so one received message for each.
//
// Sizes are whole blocks, rounded up, of 1024 bytes: what BLOCK_SIZE is where it is not
// set. Q, Z, R and K tell how much was processed, which is no size of a message: Size
// stays 0. Delay is the queue time (LOG_QUEUE_TIME), in seconds; else unknown. Reply is
// the other side's text without what the MTA puts around it: the host, the connection
// and the banner, which become Relay. Where the MTA speaks itself it is its text.
//
// # What the daemons' logs tell
//
// dispatcher.log-*, job_controller.log-*, imta and watcher are read in the form
// "dd/Mon/yyyy:hh:mm:ss +hhmm host program[pid]: category level: text". The table
// daemonTexts has the words that tell of a start, an end and the like; other texts are
// warnings of their level, and those of level Information and below nothing. Lines
// without a date, as the debugging output of the dispatcher has them, give nothing.
package imta
