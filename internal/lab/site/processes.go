package site

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
)

// Processes gives the processes that run a program of this site, "" any of
// them, as /proc lists them by the path that each was started by.
func (s *Site) Processes(program string) ([]int, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	lib := filepath.Dir(s.Program("any"))
	var pids []int
	for _, d := range dirs {
		line, err := os.ReadFile(filepath.Join(d, "cmdline"))
		first, _, _ := bytes.Cut(line, []byte{0})
		if err != nil || filepath.Dir(string(first)) != lib || program != "" && filepath.Base(string(first)) != program {
			continue // another's, or it has ended
		}
		if pid, err := strconv.Atoi(filepath.Base(d)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
