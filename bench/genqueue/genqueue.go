//go:build linux

// Package genqueue fills a Postfix queue directory with deferred messages
// that nobody sent. In goes the directory of a Postfix that has run once; out
// come queue files and defer logs that Postfix's own tools list. The format
// follows Postfix's global/rec_type.h, global/mail_queue.h and README_FILES.
package genqueue

import (
	"bytes"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Config says what to make.
type Config struct {
	QueueDir string
	Messages int
	Domains  int           // recipient domains; 0 is 200
	Spread   time.Duration // arrivals lie within this time before now; 0 is five days
	Now      time.Time
}

const alphabet = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"

// Fill makes the messages.
func Fill(c Config) error {
	if c.Domains == 0 {
		c.Domains = 200
	}
	if c.Spread == 0 {
		c.Spread = 5 * 24 * time.Hour
	}
	u, err := user.Lookup("postfix")
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	for _, queue := range []string{"deferred", "defer"} {
		for digit := range 16 {
			dir := filepath.Join(c.QueueDir, queue, fmt.Sprintf("%X", digit))
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return err
			}
			if err := os.Chown(dir, uid, gid); err != nil {
				return err
			}
		}
	}
	for i := range c.Messages {
		if err := c.message(i, uid, gid); err != nil {
			return fmt.Errorf("make message %d: %w", i, err)
		}
	}
	return nil
}

// message makes the i-th message. Its choices follow from i alone.
func (c Config) message(i, uid, gid int) error {
	arrived := c.Now.Add(-time.Duration(i) * 7919 * time.Second % c.Spread).Truncate(time.Second)
	micro := i * 7368787 % 1000000
	domain := i * 40503 % c.Domains
	if i%3 == 0 {
		domain = i % 5 // a few that hold much
	}
	to := fmt.Sprintf("user%d@d%d.example", i, domain)
	temp := filepath.Join(c.QueueDir, "incoming", fmt.Sprintf(".forged%d", os.Getpid()))
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	id := base(uint64(arrived.Unix()), 52, 6) + base(uint64(micro), 52, 4) + "z" + base(st.Ino, 51, 1)
	content, offset := queueFile(id, fmt.Sprintf("sender%d@example.com", i%1000), to, arrived, micro)
	if _, err := f.Write(content); err != nil {
		return err
	}
	// Only an executable queue file is complete; its time is that of the next try.
	if err := f.Chmod(0o700); err != nil {
		return err
	}
	if err := f.Chown(uid, gid); err != nil {
		return err
	}
	next := c.Now.Add(time.Hour)
	if err := os.Chtimes(temp, next, next); err != nil {
		return err
	}
	hash := fmt.Sprintf("%05X", micro)[:1]
	if err := os.Rename(temp, filepath.Join(c.QueueDir, "deferred", hash, id)); err != nil {
		return err
	}
	reason := fmt.Sprintf("connect to mx.d%d.example[192.0.2.25]:25: Connection timed out", domain)
	// The empty line at the end belongs to the record: without it the reason is not shown.
	note := fmt.Sprintf("\n<%s>: %s\nrecipient=%s\noffset=%d\ndsn_orig_rcpt=rfc822;%s\nstatus=4.4.1\naction=delayed\nreason=%s\n\n",
		to, reason, to, offset, to, reason)
	log := filepath.Join(c.QueueDir, "defer", hash, id)
	if err := os.WriteFile(log, []byte(note), 0o600); err != nil {
		return err
	}
	return os.Chown(log, uid, gid)
}

// queueFile gives the content of a queue file, and the offset of its
// recipient record.
func queueFile(id, from, to string, arrived time.Time, micro int) (content []byte, recipient int) {
	const sizeRecord = 2 + 6*16 - 1 // type, length, six numbers of fifteen digits with spaces between
	var envelope, message bytes.Buffer
	record(&envelope, 'T', fmt.Sprintf("%d %d", arrived.Unix(), micro))
	record(&envelope, 'A', fmt.Sprintf("create_time=%d", arrived.Unix()))
	record(&envelope, 'A', "log_ident="+id)
	record(&envelope, 'A', "rewrite_context=local")
	record(&envelope, 'S', from)
	record(&envelope, 'A', "dsn_orig_rcpt=rfc822;"+to)
	record(&envelope, 'O', to)
	recipient = sizeRecord + envelope.Len()
	record(&envelope, 'R', to)
	record(&envelope, 'M', "")
	data := sizeRecord + envelope.Len()
	for _, text := range []string{"From: " + from, "To: " + to, "Message-Id: <" + id + "@mta.example.com>", "", "Forged for a measurement."} {
		record(&message, 'N', text)
	}
	size := message.Len()
	record(&message, 'X', "")
	record(&message, 'E', "")
	var b bytes.Buffer
	record(&b, 'C', fmt.Sprintf("%15d %15d %15d %15d %15d %15d", size, data, 1, 0, size, 0))
	b.Write(envelope.Bytes())
	b.Write(message.Bytes())
	return b.Bytes(), recipient
}

// record appends a type, the length in groups of seven bits, and the text.
func record(b *bytes.Buffer, kind byte, text string) {
	b.WriteByte(kind)
	n := len(text)
	for ; n > 0x7f; n >>= 7 {
		b.WriteByte(byte(n) | 0x80)
	}
	b.WriteByte(byte(n))
	b.WriteString(text)
}

// base gives a number in a base, with at least so many digits.
func base(v, radix uint64, digits int) string {
	var out []byte
	for v > 0 || len(out) < digits {
		out = append([]byte{alphabet[v%radix]}, out...)
		v /= radix
	}
	return string(out)
}
