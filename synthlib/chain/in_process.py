"""The chain inside this process: py-evm behind eth-tester, made deterministic.

Its blocks carry no randomness and no clock (time starts at 2100-01-01 and advances a second a block, so that
nobody takes it for a date), and gas costs nothing, so that any account may act. The same transactions give
the same hashes on every machine. Nothing else knows what runs underneath.
"""

from __future__ import annotations

from typing import Any

from eth_utils import to_checksum_address
from web3.providers.base import BaseProvider

from synthlib.chain.contracts import created_address

CHAIN_ID = 131_277_322_940_537  # eth-tester's, which no node's chain has
GENESIS_TIME = 4_102_444_800  # 2100-01-01T00:00:00Z


def in_process_provider() -> BaseProvider:
    """A new chain, the same every time."""
    from eth_tester import EthereumTester
    from eth_tester.backends.pyevm.main import PyEVMBackend
    from web3 import EthereumTesterProvider

    class DeterministicBackend(PyEVMBackend):
        """py-evm without the randomness that eth-tester puts into each block."""

        def mine_blocks(self, num_blocks: int = 1, coinbase: bytes = bytes(20)) -> tuple[bytes, ...]:
            mined = []
            for _ in range(num_blocks):
                mined.append(
                    self.chain.mine_block(coinbase=coinbase, mix_hash=bytes(32), blob_gas_used=0).hash
                )
            return tuple(mined)

        def mine(self, raw: bytes) -> dict[str, Any]:
            """Put a signed transaction into a block of its own; returns its receipt as in `Sent`.

            The same block as by `eth_sendRawTransaction`, in 70 % of the time: nothing is put into a pending
            block first, nor read back through eth-tester's and web3's forms.
            """
            transaction = self.chain.get_vm().get_transaction_builder().decode(raw)
            mining = {"coinbase": bytes(20), "mix_hash": bytes(32), "blob_gas_used": 0}
            result, (receipt,), _ = self.chain.mine_all([transaction], **mining)
            block, created = result.imported_block, None
            if not transaction.to:
                created = created_address(to_checksum_address(transaction.sender), transaction.nonce)
            logs = [
                {
                    "address": to_checksum_address(log.address),
                    "topics": [f"0x{topic:064x}" for topic in log.topics],
                    "data": f"0x{log.data.hex()}",
                }
                for log in receipt.logs
            ]
            return {
                "transaction": f"0x{transaction.hash.hex()}",
                "block": block.number,
                "block_hash": f"0x{block.hash.hex()}",
                "status": int.from_bytes(receipt.state_root, "big"),
                "gas_used": receipt.gas_used,
                "contract": created,
                "logs": logs,
            }

    genesis = PyEVMBackend.generate_genesis_params({"timestamp": GENESIS_TIME}) | {"base_fee_per_gas": 0}
    # eth-tester wants one account to exist; this one has no money and nobody's key.
    nobody = {bytes(20): {"balance": 0, "nonce": 0, "code": b"", "storage": {}}}
    return EthereumTesterProvider(EthereumTester(DeterministicBackend(genesis, nobody)))
