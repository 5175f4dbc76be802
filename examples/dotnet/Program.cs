// Writes records to a topic and reads them back in a consumer group, with Confluent.Kafka.
//
//   dotnet run -- [BOOTSTRAP [TOPIC [RECORDS]]]
//
// It ends with exit code 0 once it has read as many records as it wrote, and with 1 after a minute without.

using Confluent.Kafka;
using Confluent.Kafka.Admin;

const int partitions = 3;
var patience = TimeSpan.FromMinutes(1);

var bootstrap = args.ElementAtOrDefault(0) ?? "127.0.0.1:9092";
var topic = args.ElementAtOrDefault(1) ?? "greetings";
var records = int.Parse(args.ElementAtOrDefault(2) ?? "100");
var group = $"{topic}-dotnet";

await CreateTopic();
await Produce();
Console.WriteLine($"{records} records written to {topic}");
if (!Consume())
{
    return 1;
}
Console.WriteLine($"{records} records read in group {group}");
return 0;

async Task CreateTopic()
{
    using var admin = new AdminClientBuilder(new AdminClientConfig { BootstrapServers = bootstrap }).Build();
    var wanted = new TopicSpecification { Name = topic, NumPartitions = partitions, ReplicationFactor = -1 };
    try
    {
        await admin.CreateTopicsAsync(new[] { wanted });
    }
    catch (CreateTopicsException e) when (e.Results.All(one => one.Error.Code is ErrorCode.NoError or ErrorCode.TopicAlreadyExists))
    {
    }
}

async Task Produce()
{
    var config = new ProducerConfig { BootstrapServers = bootstrap, EnableIdempotence = true };
    using var producer = new ProducerBuilder<string, string>(config).Build();
    var sent = Enumerable.Range(0, records)
        .Select(n => producer.ProduceAsync(topic, new Message<string, string> { Key = $"key-{n}", Value = $"hello {n}" }));
    await Task.WhenAll(sent.ToList());
}

bool Consume()
{
    var config = new ConsumerConfig
    {
        BootstrapServers = bootstrap,
        GroupId = group,
        AutoOffsetReset = AutoOffsetReset.Earliest,
        EnableAutoCommit = false,
    };
    using var consumer = new ConsumerBuilder<string, string>(config).Build();
    consumer.Subscribe(topic);
    var until = DateTime.UtcNow + patience;
    for (var read = 0; read < records;)
    {
        if (DateTime.UtcNow > until)
        {
            Console.Error.WriteLine($"{read} of {records} records within a minute");
            return false;
        }
        if (consumer.Consume(TimeSpan.FromSeconds(1)) is not null)
        {
            read++;
        }
    }
    consumer.Commit();
    consumer.Close();
    return true;
}
