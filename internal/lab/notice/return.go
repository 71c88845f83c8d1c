package notice

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/maillog"
	"github.com/mtawatch/mtawatch/internal/lab/queue"
)

// Return gives up a locked message: its sender is told, as far as that is
// wanted, the log gets an R record for each recipient, a K where nobody is
// told, and the message goes.
func (s *Sender) Return(process string, m *queue.Message, why string) error {
	var fates []Fate
	records := make([]*maillog.Record, len(m.Recipients))
	for i, r := range m.Recipients {
		code := "K"
		if Wanted(m.From, r, Failed) {
			code = "R"
			fates = append(fates, Fate{Recipient: r, Status: "5.4.7", Diagnostic: withLast(why, m.History)})
		}
		records[i] = s.record(process, code, m, r)
		records[i].Diagnostic = why
	}
	if err := s.Send(Failed, m.Entry.Channel, process, m, fates); err != nil {
		return err
	}
	return errors.Join(s.log.Write(records...), m.Remove())
}

// Delete takes a locked message away without a word to anyone but the log.
func (s *Sender) Delete(process string, m *queue.Message, why string) error {
	records := make([]*maillog.Record, len(m.Recipients))
	for i, r := range m.Recipients {
		records[i] = s.record(process, "K", m, r)
		records[i].Diagnostic = why
	}
	return errors.Join(s.log.Write(records...), m.Remove())
}

// warned begins the line of the history by which a warning is remembered.
const warned = "Warning sent after "

// Warn tells the sender of a locked message that it waits, unless it has been
// warned as often before.
func (s *Sender) Warn(process string, m *queue.Message, times int, age time.Duration) error {
	if strings.Count("\n"+m.History, "\n"+warned) >= times {
		return nil
	}
	var fates []Fate
	var records []*maillog.Record
	for _, r := range m.Recipients {
		if Wanted(m.From, r, Delayed) {
			fates = append(fates, Fate{Recipient: r, Status: "4.4.7", Diagnostic: withLast("Not delivered yet", m.History)})
			records = append(records, s.record(process, "W", m, r))
		}
	}
	if len(fates) == 0 {
		return nil
	}
	if err := s.Send(Delayed, m.Entry.Channel, process, m, fates); err != nil {
		return err
	}
	for range times - strings.Count("\n"+m.History, "\n"+warned) { // what a pause left out counts as sent
		m.Note(warned + age.Round(time.Second).String())
	}
	return s.log.Write(records...)
}

func (s *Sender) record(process, code string, m *queue.Message, r queue.Recipient) *maillog.Record {
	_, original, ok := strings.Cut(r.Original, ";")
	if !ok {
		original = r.Original
	}
	return &maillog.Record{Process: process, Source: m.Entry.Channel, Code: code, Blocks: m.Blocks(), From: m.From, NoFrom: m.From == "",
		OrigTo: original, To: r.Address, Notary: r.Notify, File: m.Entry.Path, EnvelopeID: m.EnvelopeID, MessageID: m.MessageID, User: m.User, System: m.System}
}

// withLast adds what the last attempt said.
func withLast(why, history string) string {
	lines := strings.Split(strings.TrimSpace(history), "\n")
	last := lines[len(lines)-1]
	if last == "" || strings.HasPrefix(last, warned) {
		return why
	}
	return fmt.Sprintf("%s; last attempt: %s", why, last)
}
