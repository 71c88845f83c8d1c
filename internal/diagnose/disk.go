package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// The room in which a disk is judged.
const (
	diskLow   = 0.10          // of its size: warn
	diskDead  = 0.02          // of its size: critical, if that is little in itself
	diskPlain = 10e9          // bytes; with more than that free two per cent are no end
	fullSoon  = 4 * time.Hour // at the present pace
	inodesLow = 1000
)

// diskReading is what speaks of a full disk.
type diskReading struct {
	share    float64 // free of its size
	known    bool
	refused  float64 // refusals for want of our own resources within 5 min
	texts    []string
	soon     time.Duration // until it is full at the present pace; 0: it does not fill
	noInodes bool          // none left
	inodes   bool          // few left, or soon none
}

// diskFilling finds the queue's disk full, nearly so, or filling. A mail
// server refuses mail before the last byte is used.
func diskFilling(c *Case, in *Instance) []Candidate {
	r := readDisk(c, in)
	k := Candidate{Need: 20 * time.Second, Clear: 2 * time.Minute, Family: "disk", Rank: RankRatio}
	k.Code, k.Instance, k.Reason = mta.FindingDiskFilling, in.Name, mta.CauseLocalResource
	k.Severity, k.Confidence = mta.SeverityWarning, 0.9
	free, _ := in.DiskFree.Value()
	switch {
	case len(r.texts) > 0 || r.refused >= 3 && r.known && r.share < 0.3 || r.noInodes:
		k.Severity, k.Rank, k.Need, k.Confidence = mta.SeverityCritical, RankDirect, 0, 0.97
		k.Title = "the disk of the mail queue" + whose(in.Name) + " is full: mail is refused"
		k.Cause = "there is no room for new messages in the queue's file system; clients are told to come again later."
		if r.noInodes {
			k.Cause = "the queue's file system has no inode left: no file can be made, however many bytes are free."
		}
	case r.known && r.share < diskDead && free < diskPlain:
		k.Severity, k.Rank = mta.SeverityCritical, RankDirect
		k.Title = "the disk of the mail queue" + whose(in.Name) + " is nearly full: " + bytesText(free) + " free (" + percent(r.share) + ")"
		k.Cause = "the queue's file system has hardly any room left; the mail server is about to refuse mail."
	case r.known && r.share < diskLow && !habitualRoom(in):
		k.Title = "the disk of the mail queue" + whose(in.Name) + " runs low: " + bytesText(free) + " free (" + percent(r.share) + ")"
		k.Cause = "the queue's file system has little room left."
	case r.inodes:
		k.Title = "the disk of the mail queue" + whose(in.Name) + " runs out of inodes"
		k.Cause = "the queue's file system can hold only few more files."
	case r.soon > 0:
		k.Need, k.Confidence = 3*time.Minute, 0.8
		k.Title = "the disk of the mail queue" + whose(in.Name) + " will be full in about " + span(r.soon) + ": " + bytesText(free) + " free (" + percent(r.share) + ")"
		k.Cause = "the queue's file system fills steadily."
	default:
		return nil
	}
	k.Since = diskSince(c, in)
	k.Evidence = r.evidence(in)
	k.Explain = func(m *mta.Finding) { explainDisk(c, in, m) }
	return []Candidate{k}
}

func readDisk(c *Case, in *Instance) diskReading {
	var r diskReading
	r.share, r.known = diskShare(in)
	r.refused = total(in.RejectCauses[mta.CauseLocalResource], 5*time.Minute)
	r.texts = lines(c.Facts.Warnings(in.Name, c.Now.Add(-5*time.Minute)), 4, func(w *Warning) bool { return aboutDisk(w, &r) })
	r.soon = fillsIn(in.DiskFree, in.DiskSize)
	if n, ok := in.InodesFree.Value(); ok {
		before, seen := highest(in.InodesFree, 10*time.Minute)
		used := seen && before > 0 || in.InodesFree.Last() != (time.Time{}) // a file system that counts none always says 0
		r.noInodes = n < 10 && used
		r.inodes = n < inodesLow && n > 0
	}
	return r
}

// diskShare gives the part of the queue's disk that is free.
func diskShare(in *Instance) (float64, bool) {
	free, ok := in.DiskFree.Value()
	size, known := in.DiskSize.Value()
	if !ok || !known || size <= 0 {
		return 0, false
	}
	return free / size, true
}

// aboutDisk picks the complaints of a full disk. "queue file write error" is
// said for other reasons too, so it counts only where room is short or not known.
func aboutDisk(w *Warning, r *diskReading) bool {
	if contains(w.Text, "o space left on device", "nsufficient system storage", "nsufficient storage", "not enough free space", "isk full", "isk quota exceeded", "o free inodes") {
		return true
	}
	return contains(w.Text, "queue file write error") && (!r.known || r.share < diskLow)
}

// habitualRoom reports whether the little room is the habit of a large disk:
// it has been so for days, and is much in bytes.
func habitualRoom(in *Instance) bool {
	free, _ := in.DiskFree.Value()
	usual, ok := middle(in.DiskFree)
	return ok && free >= diskPlain/2 && free >= 0.9*usual && in.DiskFree.LearnedFrom() >= 3*24*time.Hour
}

// fillsIn tells how soon a disk is full at the pace of the last half hour; 0
// when it does not fill, or not so soon. One large file is no pace: each
// ten minutes must have taken their part.
func fillsIn(freeSignal, sizeSignal *detect.Signal) time.Duration {
	free, ok := freeSignal.Value()
	size, known := sizeSignal.Value()
	if !ok || !known || size <= 0 || free > 0.6*size {
		return 0
	}
	const part = 10 * time.Minute
	start, seen := freeSignal.Ago(3 * part)
	lost := start - free
	if !seen || lost < 0.02*size {
		return 0
	}
	before := start
	for d := 2 * part; d >= 0; d -= part {
		now, seen := freeSignal.Ago(d)
		if !seen || before-now < lost/6 {
			return 0
		}
		before = now
	}
	left := time.Duration(min(free/lost*float64(3*part), float64(100*time.Hour)))
	if left > fullSoon {
		return 0
	}
	return left
}

func diskSince(c *Case, in *Instance) time.Time {
	t := in.DiskFree.Since(in.DiskFree.Down())
	if g := in.RejectCauses[mta.CauseLocalResource]; t.IsZero() {
		t = g.Since(g.Up())
	}
	return sinceOr(t, c.Now)
}

func (r *diskReading) evidence(in *Instance) []mta.Evidence {
	var list []mta.Evidence
	if free, ok := in.DiskFree.Value(); ok {
		b := in.DiskFree.Range()
		e := mta.Evidence{Text: bytesText(free) + " free of the queue's file system", Series: seriesOf("mta_disk_free_bytes", "instance", in.Name), Value: &free}
		if b.LearnedFrom > 0 {
			e.Low, e.High = &b.Low, &b.High
			e.Text += "; normal at this hour is " + bytesText(b.Low) + " to " + bytesText(b.High) + learnedNote(in.DiskFree)
		}
		list = append(list, e)
	}
	if n, ok := in.InodesFree.Value(); ok && (r.inodes || r.noInodes) {
		list = append(list, reading(in.InodesFree, seriesOf("mta_disk_free_inodes", "instance", in.Name), amountOf(n, "inode")+" free"))
	}
	if r.refused >= 1 {
		list = append(list, countReading(in.RejectCauses[mta.CauseLocalResource], seriesOf("mta_rejects_total", "instance", in.Name, "cause", mta.CauseLocalResource.String()),
			amountOf(r.refused, "message")+" refused for want of our own resources in 5 min", 5*time.Minute))
	}
	if len(r.texts) > 0 {
		list = append(list, mta.Evidence{Text: "what the mail server says", Lines: r.texts})
	}
	return list
}

func explainDisk(c *Case, in *Instance, m *mta.Finding) {
	if n, ok := in.Waiting.Value(); ok && !in.Waiting.Up().Noted() {
		m.RuledOut = append(m.RuledOut, "the mail queue itself is not what grew: "+amountOf(n, "message")+" waiting, "+usually(in.Waiting))
	} else if ok {
		m.Evidence = append(m.Evidence, reading(in.Waiting, seriesOf("mta_queue_messages", "instance", in.Name), amountOf(n, "message")+" waiting"))
	}
	where := "the queue directory"
	if software(c, in.Name) == "postfix" {
		where = "`postconf -h queue_directory`"
		m.Advice = append(m.Advice, "Postfix refuses mail while less than 1.5 x message_size_limit is free (`postconf message_size_limit queue_minfree`)")
	}
	m.Advice = append(m.Advice, "see which file system it is and what fills it: `df -h` and `df -i` on "+where+", then `du -xh --max-depth=2 / | sort -h | tail`",
		"deleted files that are still open keep their room: `lsof +L1`",
		"make room: old logs (`journalctl --vacuum-size=500M`), old kernels and packages, core dumps; or enlarge the file system. Mail that was refused comes again by itself")
	m.Avoid = append(m.Avoid, "do not delete files in the mail queue by hand", "do not restart the mail server before there is room: it may not start again")
}
