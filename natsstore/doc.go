// Package natsstore keeps accepted events and documents in NATS JetStream.
package natsstore
