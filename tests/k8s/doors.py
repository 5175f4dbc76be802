"""Who gets in: the network policy, and the listener for clients outside."""
import cluster
from clients import Clients

ADMIN, KAFKA = 9644, 9092


def policy(world):
    """A pod of another namespace reaches Kafka's port and not the admin port; one of this namespace reaches both."""
    report, space = world.report, world.space
    other = cluster.Namespace(f"{space.name}-stranger")
    other.create()
    try:
        world.start_shell(other, "shell")
        world.start_shell(space, "shell")
        address = world.agents()[0]["status"]["podIP"]
        status, body = world.fetch(space, "shell", f"http://{address}:{ADMIN}/readyz")
        report.ok(status == 200, "a pod of the same namespace may read the admin port", f"{status} {body}")
        refused = cluster.wait_until(lambda: not world.connects(other, "shell", address, ADMIN), seconds=10)
        report.ok(refused, "a stranger from another namespace may not")
        report.ok(world.connects(other, "shell", address, KAFKA), "but may connect to Kafka's port")
        code, output = world.install(networkPolicy={"admin": {"namespaces": [other.name]}})
        report.ok(code == 0, "helm upgrade that lets its namespace in", output if code else "STATUS: deployed")
        allowed = cluster.wait_until(lambda: world.connects(other, "shell", world.agents()[0]["status"]["podIP"], ADMIN), seconds=20)
        report.ok(allowed, "then it may")
    finally:
        other.delete()
        space.kubectl("delete", "pod", "shell", "--now", seconds=90)


def external(world):
    """A port of the node for each agent: clients that come in there are told such ports, and get their records through them."""
    report, space = world.report, world.space
    code, output = world.install(external={"type": "NodePort"})
    report.ok(code == 0, "helm upgrade with a listener for clients outside (NodePort)", output if code else "STATUS: deployed")
    cluster.wait_until(lambda: len(world.ready_agents()) == 3, seconds=180)
    node = world.agents()[0]["status"]["hostIP"]
    ports = sorted(port["nodePort"] for service in space.get("services")["items"] for port in service["spec"]["ports"]
                   if port.get("nodePort") and "apps.kubernetes.io/pod-index" in (service["spec"].get("selector") or {})
                   or port.get("nodePort") and "statefulset.kubernetes.io/pod-name" in (service["spec"].get("selector") or {}))
    report.ok(len(ports) == 3, "each agent has a port", ports)
    if not ports:
        return
    with Clients(world, "external", bootstrap=f"{node}:{ports[0]}") as clients:
        told = metadata(world, "external", f"{node}:{ports[0]}")
        report.ok(told == [f"{node}:{port}" for port in ports], "clients that come in there are told these ports", told)
    clients.judge("through the ports of the node")
    inside = None
    with Clients(world, "inside") as clients:
        inside = metadata(world, "inside", "esker:9092")
    report.ok(inside is not None and all(address.endswith(f".esker-agents.{space.name}.svc.cluster.local:{KAFKA}") for address in inside), "clients inside are told names of the cluster", inside)
    clients.judge("inside, beside the other listener")
    code, output = world.install()
    report.ok(code == 0, "helm upgrade without it", output if code else "STATUS: deployed")


def metadata(world, pod, bootstrap):
    """The addresses of brokers that a client is told."""
    program = ("import sys\nfrom confluent_kafka.admin import AdminClient\n"
               "m = AdminClient({'bootstrap.servers': sys.argv[1]}).list_topics(timeout=15)\n"
               "print(' '.join(sorted(f'{b.host}:{b.port}' for b in m.brokers.values())))")
    code, output = world.space.exec(pod, "python3", "-c", program, bootstrap)
    return output.split() if code == 0 else [output]
