for (const swipe of document.querySelectorAll(".swipe")) {
  const range = swipe.querySelector("input");
  const move = () => swipe.style.setProperty("--at", range.value + "%");
  range.addEventListener("input", move);
  move();
}
if (navigator.clipboard) {
  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Not allowed here";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }
}
