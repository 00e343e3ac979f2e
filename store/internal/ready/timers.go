package ready

// timers is a heap of items by the time when they are due.
type timers[T any] []*Item[T]

func (h timers[T]) Len() int           { return len(h) }
func (h timers[T]) Less(i, j int) bool { return h[i].due.Before(h[j].due) }

func (h timers[T]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].timer, h[j].timer = i+1, j+1
}

func (h *timers[T]) Push(x any) {
	it := x.(*Item[T])
	*h = append(*h, it)
	it.timer = len(*h)
}

func (h *timers[T]) Pop() any {
	last := len(*h) - 1
	it := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	it.timer = 0
	return it
}
