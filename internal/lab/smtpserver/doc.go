// Package smtpserver is tcp_smtp_server: it speaks SMTP with clients and accepts messages into the queue.
package smtpserver
