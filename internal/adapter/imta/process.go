package imta

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// maxOwnProcesses bounds what is taken of one output.
const maxOwnProcesses = 10_000

// parseProcesses reads what imsimta process prints. Its columns differ
// between releases: with a heading or without one, a start time of one word or of
// two, a path or <NAME> for the command. What all have is a process id and the
// command at the end: the id is the word below PID, where a heading has that and
// it is a number, else the first word of digits alone; the name is the last
// part of the path at which the command begins, else of the last word.
func parseProcesses(text string) ([]mta.OwnProcess, error) {
	var list []mta.OwnProcess
	column := -1 // of PID
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if words[0][0] == '%' {
			return nil, fmt.Errorf("read processes: it says %q", clip(strings.TrimSpace(line)))
		}
		if at := slices.Index(words, "PID"); at >= 0 && column < 0 && len(list) == 0 {
			column = at
			continue
		}
		p, ok := processOf(words, column)
		if !ok {
			return nil, fmt.Errorf("read processes: no process id and command in %q", clip(strings.TrimSpace(line)))
		}
		if len(list) == maxOwnProcesses {
			return nil, fmt.Errorf("read processes: more than %d", maxOwnProcesses)
		}
		list = append(list, p)
	}
	if len(list) == 0 && column < 0 {
		return nil, errors.New("read processes: nothing was printed")
	}
	return list, nil
}

// processOf reads the words of one line; false when it has no process.
func processOf(words []string, column int) (p mta.OwnProcess, ok bool) {
	at := column
	if at < 0 || at >= len(words) || !isNumber(words[at]) {
		at = slices.IndexFunc(words, isNumber)
	}
	if at < 0 || at == len(words)-1 {
		return p, false
	}
	pid, err := strconv.Atoi(words[at])
	if err != nil || pid <= 0 {
		return p, false
	}
	command := words[len(words)-1]
	for _, w := range words[at+1:] {
		if w[0] == '/' || w[0] == '<' {
			command = w
			break
		}
	}
	name := strings.ToLower(strings.Trim(path.Base(command), "<>"))
	if name == "" || name == "/" || name == "." || isNumber(name) {
		return p, false
	}
	return mta.OwnProcess{PID: pid, Name: name, Role: roleOf(name)}, true
}
