# The way to S3 that costs nothing and does not leave the network of AWS: through a NAT gateway every byte that
# agents write and read would be paid for. Its policy stays the default one: all else in the VPC that uses S3, such as
# the pull of images, goes the same way, and who may do what is said by the bucket and the role.

resource "aws_vpc_endpoint" "s3" {
  count = length(var.route_table_ids) > 0 ? 1 : 0

  vpc_id            = var.vpc_id
  service_name      = "com.amazonaws.${local.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = var.route_table_ids
  tags              = merge(var.tags, { Name = "${var.name}-s3" })
}
