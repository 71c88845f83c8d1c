// Package smtpserver is tcp_smtp_server: it speaks SMTP with clients and accepts messages into the queue.
// Connections come in from the dispatcher; queue files, records of the
// transaction log and a word to the Job Controller come out.
//
// 250 to DATA is said when every queue file of the message is on the disk. A
// message that is refused has left none.
package smtpserver
