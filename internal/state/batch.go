package state

type opKind uint8

const (
	opPut opKind = iota
	opDelete
	opDeleteBucket
)

type op struct {
	kind        opKind
	bucket, key string
	from, to    int // the value, in Batch.values
}

// Batch is a list of changes that are stored together. They take effect in
// the order in which they were given. The zero value is empty and ready.
type Batch struct {
	ops    []op
	values []byte
}

// Put sets a key. The value is copied; nil is stored as empty.
func (b *Batch) Put(bucket, key string, value []byte) {
	from := len(b.values)
	if b.values == nil {
		b.values = []byte{}
	}
	b.values = append(b.values, value...)
	b.ops = append(b.ops, op{opPut, bucket, key, from, len(b.values)})
}

// Delete removes a key; nothing happens when there is none.
func (b *Batch) Delete(bucket, key string) {
	b.ops = append(b.ops, op{kind: opDelete, bucket: bucket, key: key})
}

// DeleteBucket removes all keys of a bucket.
func (b *Batch) DeleteBucket(bucket string) {
	b.ops = append(b.ops, op{kind: opDeleteBucket, bucket: bucket})
}

// Len counts the changes.
func (b *Batch) Len() int { return len(b.ops) }

// Reset empties the batch and keeps its memory for the next one.
func (b *Batch) Reset() {
	clear(b.ops) // let go of the strings
	b.ops, b.values = b.ops[:0], b.values[:0]
}

// Within puts every change of the batch into buckets whose names begin with
// prefix, so that what one part keeps lies beside another's of the same form.
func (b *Batch) Within(prefix string) {
	for i := range b.ops {
		b.ops[i].bucket = prefix + b.ops[i].bucket
	}
}
