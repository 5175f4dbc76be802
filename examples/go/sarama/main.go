// Writes records to a topic and reads them back in a consumer group, with sarama.
//
//	go run ./sarama [BOOTSTRAP [TOPIC [RECORDS]]]
//
// It ends with exit code 0 once it has read as many records as it wrote, and with 1 after a minute without.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
)

const partitions = 3

func main() {
	bootstrap, topic, records := strings.Split(argument(1, "127.0.0.1:9092"), ","), argument(2, "greetings"), number(3, 100)
	config := sarama.NewConfig()
	config.Version = sarama.V4_0_0_0
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest

	createTopic(bootstrap, topic, config)
	produce(bootstrap, topic, records, config)
	fmt.Printf("%d records written to %s\n", records, topic)
	group := topic + "-sarama"
	consume(bootstrap, topic, group, records, config)
	fmt.Printf("%d records read in group %s\n", records, group)
}

func createTopic(bootstrap []string, topic string, config *sarama.Config) {
	admin, err := sarama.NewClusterAdmin(bootstrap, config)
	check(err)
	defer admin.Close()
	err = admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: -1}, false)
	if !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		check(err)
	}
}

func produce(bootstrap []string, topic string, records int, config *sarama.Config) {
	producer, err := sarama.NewSyncProducer(bootstrap, config)
	check(err)
	defer producer.Close()
	messages := make([]*sarama.ProducerMessage, records)
	for n := range messages {
		messages[n] = &sarama.ProducerMessage{
			Topic: topic,
			Key:   sarama.StringEncoder(fmt.Sprintf("key-%d", n)),
			Value: sarama.StringEncoder(fmt.Sprintf("hello %d", n)),
		}
	}
	check(producer.SendMessages(messages))
}

func consume(bootstrap []string, topic, group string, records int, config *sarama.Config) {
	member, err := sarama.NewConsumerGroup(bootstrap, group, config)
	check(err)
	// Closing commits what was marked.
	defer func() { check(member.Close()) }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	reader := &reader{wanted: int64(records), done: cancel}
	// Consume returns at every rebalance: go on until everything is read.
	for reader.read.Load() < reader.wanted {
		check(member.Consume(ctx, []string{topic}, reader))
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			log.Fatalf("%d of %d records within a minute", reader.read.Load(), records)
		}
	}
}

// reader counts the records of all partitions that this member owns; partitions are read side by side.
type reader struct {
	wanted int64
	read   atomic.Int64
	done   context.CancelFunc
}

func (*reader) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*reader) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (r *reader) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			session.MarkMessage(message, "")
			if r.read.Add(1) == r.wanted {
				r.done()
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func argument(at int, otherwise string) string {
	if len(os.Args) > at {
		return os.Args[at]
	}
	return otherwise
}

func number(at, otherwise int) int {
	n, err := strconv.Atoi(argument(at, strconv.Itoa(otherwise)))
	check(err)
	return n
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
