package imta

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

const (
	maxInstances   = 64
	versionTimeout = 5 * time.Second // for imsimta version
)

// detect finds the instances: those at the well-known bases, and those whose
// dispatcher or job controller runs. A base that only the processes of another
// user show is not looked into: whoever runs a program of that name could
// choose what mtawatch reads. An operator may name it.
func detect(ctx context.Context, h adapter.Host) ([]mta.Instance, error) {
	procs, perr := h.Processes(ctx)
	var list []mta.Instance
	var denied []error
	seen := map[string]bool{} // by the path without links
	add := func(base string) {
		if resolved := realPath(h, base); len(list) < maxInstances && !seen[resolved] {
			seen[resolved] = true
			in, err := describe(ctx, h, base, procs, perr)
			switch {
			case err == nil:
				list = append(list, in)
			case errors.Is(err, fs.ErrPermission):
				denied = append(denied, err)
			}
		}
	}
	shown, strangers, elsewhere := shownBases(h, procs)
	for _, base := range shown {
		add(base)
	}
	known := wellKnown(h)
	for _, base := range known {
		add(base)
	}
	slices.SortStableFunc(list, func(a, b mta.Instance) int { return rank(h, known, a.BaseDir) - rank(h, known, b.BaseDir) })
	name(list)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("detect imta: %w", err)
	}
	var notes []string
	for _, s := range strangers {
		if !seen[realPath(h, s.base)] && isBase(h, s.base) {
			notes = append(notes, fmt.Sprintf("an MTA of user %d runs in %s; name that base directory in the configuration of mtawatch to watch it", s.uid, s.base))
		}
	}
	if elsewhere > 0 {
		notes = append(notes, fmt.Sprintf("an MTA runs in other namespaces (a container; %s of it seen); run mtawatch there to watch it", programs(elsewhere)))
	}
	if len(list) == 0 && len(notes)+len(denied) > 0 {
		for _, n := range notes {
			denied = append(denied, errors.New(n))
		}
		return nil, fmt.Errorf("detect imta: %w; a directory that may not be read needs root or the MTA's own user", errors.Join(denied...))
	}
	if len(list) > 0 {
		list[0].Notes = append(list[0].Notes, notes...)
	}
	return list, nil
}

// at describes the instance at a base that an operator has named.
func at(ctx context.Context, h adapter.Host, base string) (mta.Instance, error) {
	if !path.IsAbs(base) {
		return mta.Instance{}, fmt.Errorf("look for an MTA in %s: give the absolute path of its base directory", base)
	}
	procs, err := h.Processes(ctx)
	in, err := describe(ctx, h, asShown(h, path.Clean(base), procs), procs, err)
	if err != nil {
		return mta.Instance{}, err
	}
	in.Name = "imta"
	return in, nil
}

// asShown gives a base as its running processes show it, where a symbolic
// link leads from the one name to the other: by that they are known.
func asShown(h adapter.Host, base string, procs []mta.Process) string {
	resolved, other := realPath(h, base), ""
	for i := range procs {
		name, bases := program(&procs[i])
		if name != "dispatcher" && name != "job_controller" {
			continue
		}
		for _, b := range bases {
			switch {
			case b == base:
				return base
			case realPath(h, b) == resolved:
				other = b
			}
		}
	}
	return cmp.Or(other, base)
}

// stranger is a base that only another user's process shows.
type stranger struct {
	base string
	uid  int
}

// shownBases gives the bases that running dispatchers and job controllers
// show, each once and in order: those of root and of our own user, and apart those of
// other users. What runs in other namespaces is only counted.
func shownBases(h adapter.Host, procs []mta.Process) (own []string, others []stranger, elsewhere int) {
	self := ownUser(h)
	for i := range procs {
		p := &procs[i]
		name, bases := program(p)
		if name != "dispatcher" && name != "job_controller" || !alive(p) || len(bases) == 0 {
			continue
		}
		if p.Foreign {
			elsewhere++
			continue
		}
		for _, b := range bases {
			if root, shared := strings.CutSuffix(b, sharedPrograms); shared {
				own = append(own, serverInstances(h, root)...)
			} else if p.UID == 0 || p.UID == self {
				own = append(own, b)
			} else {
				others = append(others, stranger{b, p.UID})
			}
		}
	}
	slices.Sort(own)
	slices.SortFunc(others, func(a, b stranger) int { return strings.Compare(a.base, b.base) })
	return slices.Compact(own), slices.CompactFunc(others, func(a, b stranger) bool { return a.base == b.base }), elsewhere
}

// ownUser gives the user that we run as, -1 when that is unknown.
func ownUser(h adapter.Host) int {
	text, err := adapter.ReadText(h, "/proc/self/status")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "Uid:" {
			if n, err := strconv.Atoi(f[2]); err == nil { // the effective one
				return n
			}
		}
	}
	return -1
}

func isBase(h adapter.Host, base string) bool {
	_, err := findLayout(h, base)
	return err == nil
}

func programs(n int) string {
	if n == 1 {
		return "1 program"
	}
	return fmt.Sprintf("%d programs", n)
}

// rank orders instances: well-known bases first, in their order.
func rank(h adapter.Host, known []string, base string) int {
	resolved := realPath(h, base)
	for i, k := range known {
		if k == base || realPath(h, k) == resolved {
			return i
		}
	}
	return len(known)
}

// name names the instances: the first is imta, the others have the last part
// of their base that tells them apart.
func name(list []mta.Instance) {
	taken := map[string]bool{}
	for i := range list {
		n := "imta"
		if i > 0 {
			n = "imta-" + baseName(list[i].BaseDir)
		}
		for k := 2; taken[n]; k++ {
			n = fmt.Sprintf("imta-%s-%d", baseName(list[i].BaseDir), k)
		}
		taken[n] = true
		list[i].Name = n
	}
}

// baseName gives what a base is called: of server5/msg-east/imta that is msg-east.
func baseName(base string) string {
	n := path.Base(base)
	if n == "imta" && path.Dir(base) != "/" {
		n = path.Base(path.Dir(base))
	}
	return strings.Map(func(r rune) rune {
		if r < 0x80 && (isAlnum(byte(r)) || r == '-' || r == '_' || r == '.') {
			return r
		}
		return '_'
	}, n)
}

const maxLinks = 40

// realPath gives a path without symbolic links in it, as far as they can be read.
func realPath(h adapter.Host, p string) string {
	done := "/"
	todo := strings.Split(strings.Trim(path.Clean(p), "/"), "/")
	for links := 0; len(todo) > 0; {
		next := path.Join(done, todo[0])
		todo = todo[1:]
		target, err := h.ReadLink(adapter.Rooted(next))
		if links++; err != nil || links > maxLinks {
			done = next
			continue
		}
		if path.IsAbs(target) {
			done = "/"
		}
		todo = append(strings.Split(strings.Trim(path.Clean(target), "/"), "/"), todo...)
	}
	return done
}
