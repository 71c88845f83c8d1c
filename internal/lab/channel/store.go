package channel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// Store is the program ims_master: it delivers into the users' Maildirs. A
// user's directory may hold two more files: lock, while which exists the
// mailbox is busy, and quota, the mailbox's limit in bytes.
func Store(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return run(ctx, args, stdin, stdout, stderr, func(p *program) (func(), error) {
		s := &store{site: p.site}
		p.deliver = s.deliver
		return func() {}, nil
	})
}

type store struct{ site *site.Site }

func (s *store) deliver(_ context.Context, a *attempt) []outcome {
	list := make([]outcome, len(a.Recipients))
	for i, r := range a.Recipients {
		user, known := s.site.User(r.Address)
		o := &list[i]
		o.to = oneWord(user, r.Address) + "@" + site.StoreHost
		if !known {
			o.kind, o.status, o.diagnostic, o.none = failed, "5.1.1", "unknown user; mailbox not found", true
		} else {
			o.kind, o.status, o.diagnostic = s.put(user, a.Message, r)
		}
		o.said = o.diagnostic
	}
	return list
}

// oneWord is the user, or for an address that names none its local part.
func oneWord(user, address string) string {
	if user != "" {
		return user
	}
	user, _, _ = strings.Cut(address, "@")
	return user
}

// put delivers to one mailbox: a file in tmp, safe on the disk, then its name
// in new. The name comes from the queue's, so that a program which was killed
// before it could say so delivers nothing twice.
func (s *store) put(user string, m *queue.Message, r queue.Recipient) (kind, string, string) {
	home := filepath.Join(s.site.StoreDir(), user)
	if _, err := os.Stat(filepath.Join(home, "lock")); err == nil {
		return delayed, "4.2.0", "Mailbox is busy"
	}
	over, err := s.overQuota(home, m.Size())
	if err != nil {
		return delayed, "4.3.0", "Mailbox cannot be read: " + plain(err)
	}
	if over {
		return delayed, "4.2.2", "Mailbox is over quota"
	}
	h := fnv.New64a()
	_, _ = io.WriteString(h, r.Address)
	name := fmt.Sprintf("%d.Q%s%016x.%s", m.Arrived.Unix(), m.Entry.ID, h.Sum64(), s.site.Practice.Host)
	if err := s.write(filepath.Join(home, "Maildir"), name, m, r); err != nil {
		if queue.NoSpace(err) {
			return delayed, "4.3.1", "Insufficient system storage: " + plain(err)
		}
		return delayed, "4.3.0", "Mailbox cannot be written: " + plain(err)
	}
	return delivered, "2.0.0", ""
}

func (s *store) write(dir, name string, m *queue.Message, r queue.Recipient) error {
	final := filepath.Join(dir, "new", name)
	for _, there := range []string{final, filepath.Join(dir, "cur", name+":2,"), filepath.Join(dir, "cur", name+":2,S")} {
		if _, err := os.Lstat(there); err == nil {
			return nil
		}
	}
	tmp := filepath.Join(dir, "tmp", name)
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		user := filepath.Base(filepath.Dir(dir))
		if err := s.site.AddUser(user); err != nil { // postmaster has a mailbox when there is mail for it
			return err
		}
		f, err = os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	}
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	fmt.Fprintf(w, "Return-Path: <%s>\nDelivered-To: %s\n", m.From, r.Address)
	_, err = io.Copy(w, m.Content())
	err = errors.Join(err, w.Flush(), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, final)
	}
	if err != nil {
		_ = os.Remove(tmp)
		return err
	}
	d, err := os.Open(filepath.Dir(final))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// overQuota says whether a message would not fit.
func (s *store) overQuota(home string, size int64) (bool, error) {
	limit := s.site.Practice.Quota
	text, err := os.ReadFile(filepath.Join(home, "quota"))
	if err == nil {
		limit, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if limit <= 0 {
		return false, nil
	}
	for _, d := range []string{"new", "cur"} {
		list, err := os.ReadDir(filepath.Join(home, "Maildir", d))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		for _, f := range list {
			if st, err := f.Info(); err == nil {
				size += st.Size()
			}
		}
	}
	return size > limit, nil
}

// plain is the reason of an error without the path.
func plain(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// original is a recipient as its sender wrote it, without the type.
func original(r queue.Recipient) string {
	if _, a, ok := strings.Cut(r.Original, ";"); ok {
		return a
	}
	return r.Original
}
