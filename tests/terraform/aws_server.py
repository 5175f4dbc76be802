"""moto's server, with two answers corrected where it leaves out what AWS sends and Terraform compares.

  aws_server.py PORT
"""

import sys

from moto.ec2.models.security_groups import SecurityGroupRule
from moto.rds.models import DBParameterGroup
from moto.server import main


def with_the_origin_of_parameters():
    """RDS says of a parameter that somebody set that its source is `user`; moto says nothing."""
    update = DBParameterGroup.update_parameters

    def update_parameters(self, new_parameters):
        update(self, new_parameters)
        for parameter in self.parameters.values():
            parameter["Source"] = "user"

    DBParameterGroup.update_parameters = update_parameters


def with_descriptions_of_rules():
    """EC2 returns the description of a rule that names a group; moto keeps it, and returns those of networks only."""

    def description(self):
        return self.ip_range.get("Description") or self.source_group.get("Description")

    SecurityGroupRule.description = property(description)


if __name__ == "__main__":
    with_the_origin_of_parameters()
    with_descriptions_of_rules()
    main(["-H", "127.0.0.1", "-p", sys.argv[1]])
