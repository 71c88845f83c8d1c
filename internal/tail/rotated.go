package tail

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// sibling is one file of a rotated log.
type sibling struct {
	path string
	key  string // what tells it from the others: "1", "20261120"; "" is the log itself
	age  int64  // numbered: the number, larger is older; -1 otherwise
	info fs.FileInfo
	// whole: it holds other pieces of the log, one after the other.
	whole bool
}

// Rotated gives the log and its rotated siblings that exist, oldest first, the
// log itself last. It knows numbers (mail.log.1, mail.log.2.gz, maillog.0.bz2;
// larger is older), dates (mail.log-20261120, mail.log.20261120-120000.gz) and
// both before a kept extension (mail-20261120.log, mail.1.log.gz), as
// logrotate, newsyslog and "postfix logrotate" name them. Where a sibling
// stands there plain and compressed, its compression is under way: the plain
// one is given.
func Rotated(path string) ([]string, error) {
	return RotatedOf(mta.LogSource{Path: path})
}

// logPlace gives the directory and the name of a log file. Where it is a
// symbolic link, its siblings lie beside what it points to.
func logPlace(src mta.LogSource) (dir, base string) {
	path := src.Path
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	dir, base = filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	return dir, base
}

// listSiblings is RotatedOf with what is known of each file.
func listSiblings(src mta.LogSource) ([]sibling, error) {
	dir, base := logPlace(src)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list rotated logs: %w", err)
	}
	return append(listOlder(dir, src.Older, entries), siblingsOf(dir, base, entries)...), nil
}

// siblingsOf picks the log of a name and its rotated siblings, in order, from
// a directory.
func siblingsOf(dir, base string, entries []os.DirEntry) []sibling {
	byKey := make(map[string]sibling)
	for _, e := range entries {
		key, packed, ok := siblingKey(base, e.Name())
		if !ok {
			continue
		}
		if _, there := byKey[key]; there && packed {
			continue
		}
		s := sibling{path: filepath.Join(dir, e.Name()), key: key, age: number(key)}
		var err error
		if s.info, err = os.Stat(s.path); err != nil || !s.info.Mode().IsRegular() {
			// Gone since the directory was read, or not a log.
			continue
		}
		byKey[key] = s
	}
	all := make([]sibling, 0, len(byKey))
	for _, s := range byKey {
		all = append(all, s)
	}
	order(all)
	return all
}

// order sorts siblings oldest first, the log itself last. Numbered and dated
// ones are each in the order of their names; where a log has both kinds, as
// when logrotate and "postfix logrotate" both rotate it, the two are merged by
// modification time.
func order(all []sibling) {
	var numbered, dated, log []sibling
	for _, s := range all {
		switch {
		case s.key == "":
			log = append(log, s)
		case s.age >= 0:
			numbered = append(numbered, s)
		default:
			dated = append(dated, s)
		}
	}
	slices.SortFunc(numbered, func(a, b sibling) int { return cmp.Compare(b.age, a.age) })
	slices.SortFunc(dated, func(a, b sibling) int { return strings.Compare(a.key, b.key) })
	n := 0
	put := func(list ...sibling) { n += copy(all[n:], list) }
	for len(numbered) > 0 && len(dated) > 0 {
		from := &numbered
		if dated[0].info.ModTime().Before(numbered[0].info.ModTime()) {
			from = &dated
		}
		put((*from)[0])
		*from = (*from)[1:]
	}
	put(numbered...)
	put(dated...)
	put(log...)
}

// packedSuffixes are the names that compressed logs end with.
const packedSuffixes = ".gz .zst .bz2 .xz"

// siblingKey says whether name is the log base ("" as key) or a rotated
// sibling of it, and whether its name says that it is compressed.
func siblingKey(base, name string) (key string, packed, ok bool) {
	if name == base {
		return "", false, true
	}
	if ext := filepath.Ext(name); ext != "" && slices.Contains(strings.Fields(packedSuffixes), ext) {
		name, packed = strings.TrimSuffix(name, ext), true
	}
	if suffix, found := strings.CutPrefix(name, base); found {
		key, ok = rotationKey(suffix)
		return key, packed, ok
	}
	ext := filepath.Ext(base)
	stem, found := strings.CutPrefix(name, strings.TrimSuffix(base, ext))
	if ext == "" || !found {
		return "", false, false
	}
	if stem, found = strings.CutSuffix(stem, ext); !found {
		return "", false, false
	}
	key, ok = rotationKey(stem)
	return key, packed, ok
}

// rotationKey reads ".1", "-20261120", ".2026-11-20T12:00:00".
func rotationKey(suffix string) (string, bool) {
	if len(suffix) < 2 || (suffix[0] != '.' && suffix[0] != '-' && suffix[0] != '_') {
		return "", false
	}
	key := suffix[1:]
	if key[0] < '0' || key[0] > '9' || strings.Trim(key, "0123456789-_.:TZ+") != "" {
		return "", false
	}
	digits := len(key) - len(strings.TrimLeft(key, "0123456789"))
	if digits < len(key) && digits < 4 {
		return "", false // "1.2": neither a number nor a date
	}
	return key, true
}

// number gives the number of a numbered sibling, -1 for a date.
func number(key string) int64 {
	if key == "" || len(key) > 5 || strings.Trim(key, "0123456789") != "" {
		return -1
	}
	var n int64
	for _, c := range []byte(key) {
		n = n*10 + int64(c-'0')
	}
	return n
}

// family gives the log that a path is, or is a rotated sibling of, and its
// key there, one of days among them. A name with no sign of rotation is its own family.
func family(path string) (log, key string) {
	dir, name := filepath.Split(path)
	if ext := filepath.Ext(name); ext != "" && slices.Contains(strings.Fields(packedSuffixes), ext) {
		name = strings.TrimSuffix(name, ext)
	}
	for i, day := range days {
		if base, found := strings.CutSuffix(name, day); found && i > 0 && base != "" {
			return filepath.Join(dir, base), day
		}
	}
	for i := range len(name) {
		base, suffix := name[:i], name[i:]
		if key, ok := rotationKey(suffix); i > 0 && ok {
			return filepath.Join(dir, base), key
		}
		if ext := filepath.Ext(name); i > 0 && ext != "" && len(suffix) > len(ext) {
			if key, ok := rotationKey(strings.TrimSuffix(suffix, ext)); ok {
				return filepath.Join(dir, base+ext), key
			}
		}
	}
	return filepath.Join(dir, name), ""
}

// days are what the names of a log end with that is rotated into one file
// every night, oldest first: mail.log, mail.log_yesterday, mail.log_current.
var days = [...]string{"", "_yesterday", "_current"}

// InTimeOrder sorts the paths of logs oldest first, as a shell's mail.log* needs: siblings of one log by
// their rotation, different logs by their newest modification.
func InTimeOrder(paths []string) ([]string, error) {
	groups := make(map[string][]sibling)
	newest := make(map[string]int64)
	var logs []string
	var errs []error
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			errs = append(errs, fmt.Errorf("open log: %w", err))
			continue
		}
		log, key := family(p)
		if _, there := groups[log]; !there {
			logs = append(logs, log)
			newest[log] = math.MinInt64
		}
		groups[log] = append(groups[log], sibling{path: p, key: key, age: number(key), info: info})
		newest[log] = max(newest[log], info.ModTime().UnixNano())
	}
	slices.SortStableFunc(logs, func(a, b string) int { return cmp.Compare(newest[a], newest[b]) })
	var sorted []string
	for _, log := range logs {
		for i, day := range days {
			part := slices.DeleteFunc(slices.Clone(groups[log]), func(s sibling) bool { return max(0, slices.Index(days[:], s.key)) != i })
			for j := range part {
				part[j].key = strings.TrimPrefix(part[j].key, day)
			}
			order(part)
			for _, s := range part {
				sorted = append(sorted, s.path)
			}
		}
	}
	return sorted, errors.Join(errs...)
}

// LogOf gives the log that a path is, or is a rotated sibling of, and the
// sibling's number; -1 where it has none: dated ones and the log itself.
func LogOf(path string) (string, int64) {
	log, key := family(path)
	return log, number(key)
}
