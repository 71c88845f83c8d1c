package classify

// The byte classes of the automaton: 26 letters, 10 digits, what parts words,
// and what is passed over.
const (
	classDigit = 26
	classSpace = 36
	classSkip  = 37
	numClasses = 38
)

var (
	byteClasses = makeByteClasses()
	classBytes  = [numClasses]byte([]byte("abcdefghijklmnopqrstuvwxyz0123456789  "))
)

func makeByteClasses() (t [256]uint8) {
	for i := range t {
		t[i] = classSkip
	}
	for i := range 26 {
		t['a'+i], t['A'+i] = uint8(i), uint8(i)
	}
	for i := range 10 {
		t['0'+i] = uint8(classDigit + i)
	}
	for _, c := range []byte(" \t\r\n\v\f._:=/;,()\"[]<>|{}#") {
		t[c] = classSpace
	}
	return t
}

// hitBit marks a transition into a state where a phrase ends.
const hitBit = 1 << 31

// An automaton finds all phrases of a set in one pass (Aho and Corasick,
// "Efficient string matching", 1975). A state is its row's offset in next.
type automaton struct {
	next  []uint32 // states * numClasses; the next state, with hitBit
	hits  []span   // of each state: its part of found
	found []uint16 // phrase numbers
	start uint32   // the state at the edge of a word
}

type span struct{ from, to uint32 }

// newAutomaton builds the automaton of phrases in normal form. The states stand
// in order of depth: most of a text visits only the shallow ones, which so
// share few pages of memory.
func newAutomaton(phrases []string) *automaton {
	t := newTrie(phrases)
	order := t.link()
	a := &automaton{
		next: make([]uint32, len(t.nodes)*numClasses),
		hits: make([]span, len(t.nodes)),
	}
	rows := make([]uint32, len(t.nodes)) // of each node: its row, with hitBit
	for row, i := range order {
		rows[i] = uint32(row) * numClasses
		if len(t.nodes[i].out) > 0 {
			rows[i] |= hitBit
		}
	}
	for row, i := range order {
		n := &t.nodes[i]
		for c, to := range n.next {
			a.next[row*numClasses+c] = rows[to]
		}
		a.next[row*numClasses+classSkip] &^= hitBit
		from := uint32(len(a.found))
		a.found = append(a.found, n.out...)
		a.hits[row] = span{from, uint32(len(a.found))}
	}
	a.start = a.next[classSpace] &^ hitBit
	return a
}

// trie is the automaton in the making; node 0 is the root.
type trie struct{ nodes []node }

type node struct {
	next  [numClasses]int32
	out   []uint16 // phrases that end here
	space bool     // the last byte read was a space
}

func newTrie(phrases []string) *trie {
	t := &trie{nodes: make([]node, 1, 4096)}
	for id, p := range phrases {
		at := int32(0)
		for i := range len(p) {
			c := byteClasses[p[i]]
			if t.nodes[at].next[c] == 0 {
				t.nodes = append(t.nodes, node{space: c == classSpace})
				t.nodes[at].next[c] = int32(len(t.nodes) - 1)
			}
			at = t.nodes[at].next[c]
		}
		t.nodes[at].out = append(t.nodes[at].out, uint16(id))
	}
	return t
}

// link fills the missing transitions from each state's longest suffix, in
// order of depth, and joins the phrases that end there. A space after a space
// and a byte that is passed over leave the state as it is. It gives the nodes
// in order of depth.
func (t *trie) link() []int32 {
	fail := make([]int32, len(t.nodes))
	queue := make([]int32, 1, len(t.nodes)) // the root
	for c := range numClasses {
		if to := t.nodes[0].next[c]; to != 0 {
			queue = append(queue, to)
		}
	}
	for i := 1; i < len(queue); i++ {
		at := queue[i]
		n := &t.nodes[at]
		n.out = append(n.out, t.nodes[fail[at]].out...)
		for c := range numClasses {
			back := t.nodes[fail[at]].next[c]
			if to := n.next[c]; to != 0 {
				fail[to] = back
				queue = append(queue, to)
			} else {
				n.next[c] = back
			}
		}
	}
	for i := range t.nodes {
		n := &t.nodes[i]
		n.next[classSkip] = int32(i)
		if n.space {
			n.next[classSpace] = int32(i)
		}
	}
	return queue
}
