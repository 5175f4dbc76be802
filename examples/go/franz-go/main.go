// Writes records to a topic and reads them back in a consumer group, with franz-go.
//
//	go run ./franz-go [BOOTSTRAP [TOPIC [RECORDS]]]
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
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const partitions = 3

func main() {
	bootstrap, topic, records := argument(1, "127.0.0.1:9092"), argument(2, "greetings"), number(3, 100)
	group := topic + "-franz-go"
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(bootstrap, ",")...),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		// Offsets are committed below, after the records were handled.
		kgo.DisableAutoCommit(),
	)
	check(err)
	defer client.Close()

	created, err := kadm.NewClient(client).CreateTopic(ctx, partitions, -1, nil, topic)
	if !errors.Is(created.Err, kerr.TopicAlreadyExists) {
		check(err)
	}

	for n := range records {
		client.Produce(ctx, &kgo.Record{
			Topic: topic,
			Key:   []byte(fmt.Sprintf("key-%d", n)),
			Value: []byte(fmt.Sprintf("hello %d", n)),
		}, func(_ *kgo.Record, err error) { check(err) })
	}
	check(client.Flush(ctx))
	fmt.Printf("%d records written to %s\n", records, topic)

	for read := 0; read < records; {
		fetches := client.PollFetches(ctx)
		check(fetches.Err())
		fetches.EachRecord(func(*kgo.Record) { read++ })
		check(client.CommitUncommittedOffsets(ctx))
	}
	fmt.Printf("%d records read in group %s\n", records, group)
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
